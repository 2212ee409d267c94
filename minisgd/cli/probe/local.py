"""``minisgd probe local``: the largest batch that still learns as much from the same examples, from here on."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from minisgd.cli import inputs, options
from minisgd.cli.parser import Parser, integer, listed, number
from minisgd.cli.probe import report, subject
from minisgd.cli.probe.report import Column, Picture, Report

if TYPE_CHECKING:
    from minisgd.lab.instruments import LocalCriticalBatchSize

EXAMPLES = """\
  minisgd probe local --data digits --model mlp:64 --lr 0.1
  minisgd probe local --data digits --model mlp:64 --weights weights.safetensors --batch-size 4 --lr 0.02
  minisgd probe local --data digits --model mlp:64 --optimizer adam --factors 1,4,16 --json"""


def configure(parser: Parser) -> None:
    subject.configure(parser)
    options.add_optimizer(parser)
    group = parser.add_argument_group("branches")
    group.add_argument(
        "--lr", type=number, metavar="X", help="learning rate of the smallest batch (the optimizer's own)"
    )
    group.add_argument("--batch-size", type=integer, metavar="B", help="the smallest batch (16)")
    group.add_argument(
        "--factors", type=listed(int), metavar="K,…", help="times larger batches (of 1,2,4,8,16 those that data allow)"
    )
    group.add_argument("--examples", type=integer, metavar="N", help="that each branch sees (8 of the largest batches)")
    group.add_argument("--seeds", type=integer, default=8, metavar="N", help="orders of the examples (8)")
    group.add_argument(
        "--tolerance", type=number, default=0.1, metavar="X", help="share of the progress that may be lost (0.1)"
    )
    group.add_argument("--scaling", metavar="RULE", help="of the learning rate (linear; sqrt for Adam and the like)")
    report.configure(parser)


def run(args: Namespace) -> int:
    """Measure, print and write."""
    from minisgd.cli.naming import blamed_on
    from minisgd.lab.instruments import local_critical_batch_size
    from minisgd.optim import scaled

    report.begin(args)
    network, data, loss = subject.load(args)
    optimizer = inputs.make_optimizer(args, args.lr)
    if args.scaling is not None:
        with blamed_on("--scaling"):
            scaled(optimizer, reference=1, batch_size=1, rule=args.scaling)
    found = local_critical_batch_size(
        network,
        data,
        optimizer,
        rule=args.scaling,
        loss=loss,
        **inputs.named(args, "batch_size", "factors", "examples", "seeds", "tolerance", "seed"),
    )
    report.publish(args, _report(found))
    return 0


def _report(found: LocalCriticalBatchSize) -> Report:
    from minisgd.lab import words
    from minisgd.lab.instruments.noise.picture import draw_branches

    if found.value is None:
        advice = "lower" if found.losses[0].mean() > found.start else "raise"
        answer = f"Nothing was surely learned from a loss of {found.start:.4g}: {advice} --lr, or give more --examples."
    else:
        bound = "the largest tried" if found.high is None else f"{found.high} is surely beyond"
        answer = f"local critical batch size {found.value}: {found.low} is surely within, {bound}"
    return Report(
        answer=f"{answer[0].upper()}{answer[1:]}",
        document=found.to_dict(),
        how=(),
        sentences=[answer],
        tables={
            "branches": [
                Column("batch size", found.batch_sizes),
                Column("lr", found.learning_rates, "{:.4g}".format),
                Column(f"loss after {found.examples:,} examples", found.losses.mean(axis=1).tolist(), words.score),
                Column("above the first", found.excess.tolist(), words.signed),
            ]
        },
        plots=[Picture("branches", "How large a batch is borne?", lambda: draw_branches(found), answer)],
    )
