"""``minisgd probe memory``: the bytes of a training step."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from minisgd.cli import options, output
from minisgd.cli.parser import Parser

if TYPE_CHECKING:
    from minisgd.training import MemoryPlan

EXAMPLES = """\
  minisgd probe memory --data digits --model mlp:128 --batch-size 256
  minisgd probe memory --input 28x28x1 --model cnn --optimizer adam --memory-limit 512MiB
  minisgd probe memory --data digits --model cnn --batch-size full --json"""


def configure(parser: Parser) -> None:
    options.add_model(parser, default="mlp:128")
    options.add_example(parser)
    options.add_data(parser, required=False)
    options.add_loss(parser)
    options.add_optimizer(parser)
    parser.add_argument("--batch-size", default="32", metavar="B", help="32, or full with --data (32)")
    parser.add_argument("--memory-limit", metavar="BYTES", help="512MiB (the memory that is available)")
    options.add_common(parser)


def run(args: Namespace) -> int:
    """Print the bytes of a training step by owner, how they grow with the batch, and the largest that fits."""
    from minisgd.cli.machine import available_memory
    from minisgd.training import memory_plan
    from minisgd.training.feed import ExampleSpec
    from minisgd.training.memory import default_loss

    data = options.data_if_given(args)
    network, shape = options.load_model(args, data)
    loss = options.make_loss(args)
    available, source = available_memory()
    plan = memory_plan(
        network,
        shape,
        options.fixed_batch_size(args.batch_size, data),
        options.make_optimizer(args),
        loss=loss if loss or data is None else default_loss(data.task),
        dtype=args.dtype,
        memory_limit=available if args.memory_limit is None else args.memory_limit,
        spec=None if data is None else ExampleSpec.of(data.train, data.scale, args.dtype),
    )
    if args.json:
        output.print_json(_document(plan))
    else:
        _print(plan)
        output.note("the data set itself is not counted: it stays as it is", args.quiet)
    if args.memory_limit is None:
        output.note(f"limit: {source}; another: --memory-limit 512MiB", args.quiet)
    return 0


def _document(plan: MemoryPlan) -> dict[str, Any]:
    names = ("batch_size", "bytes", "by_owner", "bytes_fixed", "bytes_per_example", "largest_batch")
    return {name: getattr(plan, name) for name in names} | {"limit": plan.limit, "micro_batch": plan.micro_batch}


def _print(plan: MemoryPlan) -> None:
    from minisgd.training.memory import format_bytes

    rows = [(owner, format_bytes(n), f"{n:,}") for owner, n in plan.by_owner.items()]
    rows.append((f"batch of {plan.batch_size} in all", format_bytes(plan.bytes), f"{plan.bytes:,}"))
    rows.append(("fixed", format_bytes(plan.bytes_fixed), f"{plan.bytes_fixed:,}"))
    rows.append(("per example", format_bytes(plan.bytes_per_example), f"{plan.bytes_per_example:,}"))
    assert plan.limit is not None
    rows.append((f"largest batch in {format_bytes(plan.limit)}", f"{plan.largest_batch:,}", ""))
    if plan.micro_batch != plan.batch_size:
        rows.append(("so it is made of micro-batches of", f"{plan.micro_batch:,}", ""))
    total = len(plan.by_owner)
    output.print_table(("", "", "bytes"), rows, strong=lambda position: position == total)
