"""``minisgd probe memory``: the bytes of a training step."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from minisgd.cli import inputs, options, output
from minisgd.cli.parser import Parser, positive
from minisgd.cli.probe import report
from minisgd.cli.probe.report import Column, Picture, Report
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.lab.instruments import MemoryFit
    from minisgd.training import MemoryPlan

EXAMPLES = """\
  minisgd probe memory --data digits --model mlp:128 --batch-size 256
  minisgd probe memory --input 28x28x1 --model cnn --optimizer adam --memory-limit 512MiB
  minisgd probe memory --data digits --model cnn --batch-size full --json
  minisgd probe memory --data digits --model mlp-bn:64 --measure"""


def configure(parser: Parser) -> None:
    options.add_model(parser, default="mlp:128")
    options.add_example(parser)
    options.add_data(parser, required=False)
    options.add_loss(parser)
    options.add_optimizer(parser)
    parser.add_argument("--batch-size", default="32", metavar="B", help="32, or full with --data (32)")
    parser.add_argument("--memory-limit", metavar="BYTES", help="512MiB (the memory that is available)")
    parser.add_argument("--ranks", type=positive, metavar="N", help="of one of N ranks that share every batch")
    parser.add_argument("--measure", action="store_true", help="with --data: also measure steps at several batch sizes")
    report.configure(parser)
    options.add_common(parser)


def run(args: Namespace) -> int:
    """Print the bytes of a training step by owner, how they grow with the batch, and the largest that fits."""
    from minisgd.backend.cpu.host_memory import available_memory
    from minisgd.lab.instruments import memory_fit
    from minisgd.training import memory_plan
    from minisgd.training.feeds.feed import ExampleSpec
    from minisgd.training.memory import default_loss

    report.begin(args)
    data = inputs.data_if_given(args)
    wrong = f"--ranks {args.ranks}" if args.ranks else f"--device {args.device}"
    if args.measure and (data is None or args.device != "cpu" or args.ranks):
        raise ArgumentError(
            "--measure",
            expected="given with --data, on the CPU and without --ranks",
            got="--input" if data is None else wrong,
            fix="name the data: --data digits"
            if data is None
            else f"leave {'--ranks' if args.ranks else '--device'} out",
        )
    network, shape = inputs.load_model(args, data)
    loss, optimizer = inputs.make_loss(args), inputs.make_optimizer(args)
    available, source = available_memory()
    plan = memory_plan(
        network,
        shape,
        inputs.fixed_batch_size(args.batch_size, data),
        optimizer,
        loss=loss if loss or data is None else default_loss(data.task),
        dtype=args.dtype,
        memory_limit=available if args.memory_limit is None else args.memory_limit,
        spec=None if data is None else ExampleSpec.of(data.train, data.scale, args.dtype),
        ranks=args.ranks,
    )
    measured = None
    if args.measure and data is not None:
        measured = memory_fit(network, data, optimizer=optimizer, loss=loss, dtype=args.dtype, seed=args.seed)
    report.publish(args, _report(plan, measured))
    if args.memory_limit is None:
        output.note(f"limit: {source}; another: --memory-limit 512MiB", args.quiet)
    return 0


def _document(plan: MemoryPlan) -> dict[str, Any]:
    names = ("batch_size", "bytes", "by_owner", "bytes_fixed", "bytes_per_example", "recorded_program", "largest_batch")
    return {name: getattr(plan, name) for name in names} | {"limit": plan.limit, "micro_batch": plan.micro_batch}


def _report(plan: MemoryPlan, measured: MemoryFit | None) -> Report:
    from minisgd.lab.instruments.memory.picture import draw_growth, draw_owners
    from minisgd.training.memory import format_bytes

    assert plan.limit is not None
    facts = [
        (f"batch of {plan.batch_size} in all", format_bytes(plan.bytes), f"{plan.bytes:,} bytes"),
        ("fixed", format_bytes(plan.bytes_fixed), f"{plan.bytes_fixed:,} bytes"),
        ("per example", format_bytes(plan.bytes_per_example), f"{plan.bytes_per_example:,} bytes"),
        ("besides, the recorded program, about", format_bytes(plan.recorded_program), ""),
        (f"largest batch in {format_bytes(plan.limit)}", f"{plan.largest_batch:,}", ""),
    ]
    if plan.micro_batch != plan.batch_size:
        facts.append(("so it is made of micro-batches of", f"{plan.micro_batch:,}", ""))
    owned = list(plan.by_owner.values())
    tables = {
        "owners": [
            Column("owner", list(plan.by_owner)),
            Column("takes", owned, format_bytes),
            Column("bytes", owned, "{:,}".format),
        ]
    }
    sentences, document = [], _document(plan)
    if measured:
        document["measured"] = measured.to_dict()
        low, high = measured.slope_interval
        sentences.append(
            f"Measured: {measured.slope:.3f} ({low:.3f} to {high:.3f}) times the plan, and "
            f"{format_bytes(measured.overhead_bytes)}; R² = {measured.r_squared:.5f}."
        )
        tables["measured"] = [
            Column("batch", [p.batch_size for p in measured.points]),
            Column("planned", [p.planned_bytes for p in measured.points], format_bytes),
            Column("measured", [p.measured_bytes for p in measured.points], format_bytes),
        ]
    grows = f"bytes(B) = {format_bytes(plan.bytes_fixed)} + B · {format_bytes(plan.bytes_per_example)}."
    growth = " ".join([grows, *sentences])
    owner, most = max(plan.by_owner.items(), key=lambda each: each[1])
    largest = f"The most is of {owner}: {format_bytes(most)}."
    return Report(
        answer=f"A training step on {plan.batch_size:,} examples takes {format_bytes(plan.bytes)}",
        document=document,
        how=["the data set itself is not counted: it stays as it is"],
        sentences=sentences,
        facts=facts,
        tables=tables,
        plots=[
            Picture("growth", "How does it grow with the batch?", lambda: draw_growth(plan, measured), growth),
            Picture("owners", "Who takes it?", lambda: draw_owners(plan), largest),
        ],
    )
