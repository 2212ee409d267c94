"""``minisgd probe local``: the largest batch that still learns as much from the same examples, from here on."""

from __future__ import annotations

from argparse import Namespace

from minisgd.cli import options, output
from minisgd.cli.parser import Parser, integer, listed, number
from minisgd.cli.probe import subject

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
    group.add_argument("--batch-size", type=integer, default=16, metavar="B", help="the smallest batch (16)")
    group.add_argument(
        "--factors", type=listed(int), default=[1, 2, 4, 8, 16], metavar="K,…", help="times larger batches (1,2,4,8,16)"
    )
    group.add_argument("--examples", type=integer, metavar="N", help="that each branch sees (8 of the largest batches)")
    group.add_argument("--seeds", type=integer, default=8, metavar="N", help="orders of the examples (8)")
    group.add_argument(
        "--tolerance", type=number, default=0.1, metavar="X", help="share of the progress that may be lost (0.1)"
    )
    group.add_argument("--scaling", metavar="RULE", help="of the learning rate (linear; sqrt for Adam and the like)")


def run(args: Namespace) -> int:
    """Measure and print."""
    from minisgd.cli.naming import blamed_on
    from minisgd.lab.instruments import local_critical_batch_size
    from minisgd.optim import scaled

    network, data, loss = subject.load(args)
    optimizer = options.make_optimizer(args, args.lr)
    if args.scaling is not None:
        with blamed_on("--scaling"):
            scaled(optimizer, reference=1, batch_size=1, rule=args.scaling)
    found = local_critical_batch_size(
        network,
        data,
        optimizer,
        batch_size=args.batch_size,
        factors=args.factors,
        examples=args.examples,
        seeds=args.seeds,
        tolerance=args.tolerance,
        rule=args.scaling,
        loss=loss,
        seed=args.seed,
    )
    if args.json:
        output.print_json(found.to_dict())
        return 0
    rows = [
        (f"{size}", f"{rate:.4g}", f"{losses.mean():.4g}", f"{excess:+.4g}")
        for size, rate, losses, excess in zip(
            found.batch_sizes, found.learning_rates, found.losses, found.excess, strict=True
        )
    ]
    output.print_table(("batch size", "lr", f"loss after {found.examples:,} examples", "above the first"), rows, left=0)
    if found.value is None:
        print(f"\nNothing was learned from a loss of {found.start:.4g}: lower --lr, or give more --examples.")
    else:
        bound = "the largest tried" if found.high is None else f"{found.high} is surely beyond"
        print(f"\nlocal critical batch size {found.value}: {found.low} is surely within, {bound}")
    return 0
