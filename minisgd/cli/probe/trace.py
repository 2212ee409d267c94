"""``minisgd probe trace``: what goes on in every layer while the network trains."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from minisgd.cli import inputs, options, output, running
from minisgd.cli.parser import Parser, folder, integer, number
from minisgd.cli.probe import report, subject
from minisgd.cli.probe.report import Column, Picture, Report
from minisgd.errors import DivergedError

if TYPE_CHECKING:
    from minisgd.training.trace import TraceResult
    from minisgd.typing import HostArray

EXAMPLES = """\
  minisgd probe trace --data digits --model mlp:128,64 --epochs 5 --out runs/trace
  minisgd probe trace --data digits --model cnn --lr 0.05 --momentum 0.9 --every 10 --json
  minisgd explain --data digits --model mlp:128,64 --trace runs/trace/trace.jsonl"""


def configure(parser: Parser) -> None:
    subject.configure(parser)
    options.add_optimizer(parser)
    options.add_learning_rate(parser)
    group = parser.add_argument_group("training")
    group.add_argument("--batch-size", default="32", metavar="B", help="32, full, or grow:32,1024,5 (32)")
    group.add_argument("--epochs", type=number, metavar="X", default=5.0, help="passes over the data (5)")
    group.add_argument("--every", type=integer, metavar="N", default=10, help="steps from one trace to the next (10)")
    group.add_argument("--out", type=folder, metavar="DIR", help="write trace.jsonl, trace.png and report.html")


def run(args: Namespace) -> int:
    from minisgd.cli.signals import INTERRUPTED
    from minisgd.lab.instruments import Trace, draw_trace
    from minisgd.training import train

    trace = Trace(args.every)
    if args.out:
        output.require_writable(args.out)
    network, data, loss = subject.load(args)
    diverged, stopped = None, ""
    with output.ProgressBar(args.quiet) as bar:
        try:
            stopped = train(
                network,
                data,
                optimizer=inputs.make_optimizer(args, inputs.make_schedule(args, args.epochs)),
                loss=loss,
                batch_size=inputs.batch_size(args.batch_size),
                epochs=args.epochs,
                callbacks=[trace],
                on_progress=lambda share, record: bar.show(share, "training"),
                **running.machine(args),
            ).stopped
        except DivergedError as problem:
            diverged = problem  # whose trace is the one to look at
    result = trace.result
    found = _report(result)
    report.show(args, found)
    if args.out:
        written = result.save(args.out / "trace.jsonl"), draw_trace(result, args.out / "trace.png")
        output.note(f"written: {written[0]} and {written[1]}", args.quiet)
        report.write_page(args, found)
    if diverged:
        raise diverged
    if stopped == "interrupted":
        output.note(f"minisgd: interrupted; traced up to step {result.steps[-1]:,}")
        return INTERRUPTED
    return 0


def _report(trace: TraceResult) -> Report:
    from minisgd.lab import words
    from minisgd.lab.instruments.trace.picture import figure_of

    first, last = int(trace.steps[0]), int(trace.steps[-1])
    traced = f"Norms at step {first:,} → {last:,}, of {words.plural(len(trace), 'step')} traced"
    norms = {
        "activation": trace.activation,
        "gradient": trace.gradient,
        "update": trace.update,
        "update / weight": trace.ratio,
    }
    columns = [Column("layer", list(trace.layers))]
    columns += [Column(name, _ends(norm), lambda ends: _change(ends, words.short)) for name, norm in norms.items()]
    columns.append(Column("dead", _ends(trace.dead), lambda ends: _change(ends, "{:.0%}".format)))
    return Report(
        answer=traced,
        document=trace.to_dict(),
        how=(),
        sentences=[f"{traced}:"],
        tables={"layers": columns},
        plots=[Picture("trace", "What goes on in every layer?", lambda: figure_of(trace), f"{traced}.")],
    )


def _ends(values: HostArray) -> list[tuple[float, float]]:
    """Return where each layer began and where it ended.  values (T, L)"""
    return list(zip(values[0].tolist(), values[-1].tolist(), strict=True))


def _change(ends: tuple[float, float], say: Callable[[float], str]) -> str:
    """State where a quantity began and where it ended; nothing where a layer has none."""
    if not np.isfinite(ends).any():
        return ""
    return f"{say(ends[0])} → {say(ends[1])}"
