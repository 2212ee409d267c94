"""``minisgd compare``: studies or training runs side by side."""

from __future__ import annotations

from argparse import Namespace

from minisgd.cli import options, output
from minisgd.cli.parser import Parser, folder
from minisgd.errors import ArgumentError

EXAMPLES = """\
  minisgd compare studies/sgd studies/adam
  minisgd compare runs/a runs/b runs/c --out compared.html"""


def configure(parser: Parser) -> None:
    parser.add_argument(
        "folders", nargs="*", metavar="DIR", help="what 'minisgd study' or 'minisgd train' wrote to --out"
    )
    parser.add_argument("--out", type=folder, metavar="FILE", help="write a report, compared.html")
    options.add_common(parser, runs=False)


def run(args: Namespace) -> int:
    from minisgd.lab.runs.compare import compare

    if args.out and args.out.suffix.lower() not in (".html", ".htm"):
        fix = "write --out compared.html"
        raise ArgumentError("--out", expected="a file that ends in .html", got=str(args.out), fix=fix)
    found = compare(args.folders)
    if args.json:
        settings, quantities = dict(found.settings), dict(found.found)
        output.print_json(
            {"folders": found.names, "differing": settings, "found": quantities, "cautions": found.cautions}
        )
    else:
        sections = [("what differs", found.settings), ("what was found", found.found)]
        for position, (title, table) in enumerate([section for section in sections if section[1]]):
            if position:
                print()
            output.print_table((title, *found.names), [(name, *texts) for name, texts in table])
        for caution in found.cautions:
            output.print_text(f"\nCaution: {caution}")
    if args.out:
        output.note(f"Report: {found.save(args.out)}", args.quiet)
    return 0
