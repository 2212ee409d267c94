"""``minisgd claims``: what people say about batch size, settled here."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from minisgd.cli import inputs, options, output, running
from minisgd.cli.parser import Parser, folder, integer, integer_or_word, listed
from minisgd.cli.workers import add_workers, executor

if TYPE_CHECKING:
    from minisgd.lab.claims import Claims

EXAMPLES = """\
  minisgd claims --data digits
  minisgd claims --data digits --only 6,7,8,9
  minisgd claims --data idx:DIR --model mlp:256 --budget 1h --out claims/mnist"""


def configure(parser: Parser) -> None:
    options.add_data(parser)
    options.add_model(parser, default="mlp:64")
    options.add_loss(parser)
    group = parser.add_argument_group("claims")
    group.add_argument("--only", type=listed(integer_or_word), metavar="N,N,…", help="numbers of claims (all)")
    group.add_argument("--budget", default="5min", metavar="TIME", help="90s, 5min, 1h, or none: all it takes (5min)")
    group.add_argument("--seeds", type=integer, default=8, metavar="N", help="seeds of all that is compared (8)")
    add_workers(group)
    group.add_argument("--out", type=folder, default=Path("minisgd-claims"), metavar="DIR", help="(minisgd-claims)")
    options.add_common(parser)


def run(args: Namespace) -> int:
    from minisgd.cli.signals import INTERRUPTED
    from minisgd.lab.claims import claims

    data = inputs.load_data(args)
    network, _ = inputs.load_model(args, data)
    running.require_report("the report of the claims")
    output.require_writable(args.out)
    output.note(data.describe(), args.quiet)
    with executor(args) as workers, output.ProgressBar(args.quiet) as bar:
        found = claims(
            network,
            data,
            loss=inputs.make_loss(args),
            model_name=args.model,
            command=args.command_line,
            on_event=running.reporter(bar),
            executor=workers,
            **inputs.named(args, "only", "budget", "seeds", "out"),
            **running.machine(args),
        )
    report = found.save(args.out)
    if args.json:
        print(found.to_json(), end="")
    else:
        _print(found)
        print(f"\nReport: {report}")
    if found.interrupted:
        output.note(
            "minisgd: interrupted; what was not measured is marked as not decided. "
            f"To go on, give the same command again:\n  {args.command_line}"
        )
        return INTERRUPTED
    return 0


def _print(found: Claims) -> None:
    from minisgd.lab.claims.decision import HOLM

    rows = [(str(n := a.claim.number), a.claim.says, a.verdict, found.adjusted[n], a.finding.words) for a in found]
    output.print_table(("", "claim", "verdict", "among all", "what was measured"), rows, left=5)
    print()
    output.print_text(HOLM)
