"""``minisgd watch``: the growing report of a study or training run that is under way, in a browser of this machine."""

from __future__ import annotations

import sys
from argparse import Namespace

from minisgd.cli import options, output, running
from minisgd.cli.parser import Parser
from minisgd.cli.signals import INTERRUPTED
from minisgd.errors import ArgumentError

EXAMPLES = """\
  minisgd watch runs/a
  minisgd watch minisgd-study"""


def configure(parser: Parser) -> None:
    parser.add_argument("folder", nargs="?", metavar="DIR", help="the --out of a 'minisgd study' or 'minisgd train'")
    options.add_common(parser, runs=False)


def run(args: Namespace) -> int:
    """Serve the page until the run ends or Ctrl-C; the run goes on either way."""
    from minisgd.lab.runs.folder import read_folder
    from minisgd.lab.runs.serve import serve

    if args.folder is None:
        raise ArgumentError("DIR", expected="a folder", got="none", fix="give it: minisgd watch runs/a")
    running.require_report("minisgd watch")
    folder = read_folder(args.folder)
    report = folder.path / "report.html"
    if folder.finished and folder.complete and report.exists():
        if args.json:
            output.print_json({"report": str(report)})
        else:
            print(f"Nothing is under way in {folder.path}: open {report} in a browser.")
        return 0

    def announce(address: str) -> None:
        if args.json:
            output.print_json({"address": address})
        else:
            print(address)
        sys.stdout.flush()
        output.note(
            "Open it in a browser of this machine. It is served until the run ends; Ctrl-C ends it now.", args.quiet
        )

    try:
        serve(args.folder, announce)
    except KeyboardInterrupt:
        return INTERRUPTED
    output.note("The run has ended.", args.quiet)
    return 0
