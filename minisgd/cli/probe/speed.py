"""``minisgd probe speed``: seconds of a training step, or of a prediction, against the batch size."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from minisgd.cli import inputs, options, output, running
from minisgd.cli.parser import Parser, integer, listed, positive
from minisgd.cli.probe import report, subject
from minisgd.cli.probe.report import Column, Picture, Report
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.lab.instruments import PowersOfTwo, Speed

EXAMPLES = """\
  minisgd probe speed --data digits --model mlp:128
  minisgd probe speed --data digits --model cnn --inference --batch-sizes 1,8,64,512
  minisgd probe speed --data digits --model mlp-bn:64 --optimizer adam --powers-of-two --json"""


def configure(parser: Parser) -> None:
    subject.configure(parser)
    options.add_optimizer(parser)
    group = parser.add_argument_group("what is timed")
    group.add_argument("--inference", action="store_true", help="predictions instead of training steps: p50 and p99")
    group.add_argument("--powers-of-two", action="store_true", help="also compare 8, 16, … 256 with their neighbours")
    group.add_argument(
        "--batch-sizes", type=listed(positive), metavar="B,…", help="those to time (powers of two up to 1024)"
    )
    group.add_argument("--visits", type=integer, metavar="N", default=11, help="of each batch size, random order (11)")
    report.configure(parser)


def run(args: Namespace) -> int:
    from minisgd.lab.instruments import latency, powers_of_two, speed

    if args.inference and args.powers_of_two:
        raise ArgumentError(
            "--powers-of-two", expected="left out with --inference", got="both", fix="it compares training steps"
        )
    report.begin(args)
    network, data, loss = subject.load(args)
    machine = running.machine(args)
    training = {"optimizer": inputs.make_optimizer(args), "loss": loss, **machine}
    what = "prediction" if args.inference else "training step"
    pairs = None
    with output.ProgressBar(args.quiet) as bar:
        chosen = {"visits": args.visits, "on_progress": lambda share: bar.show(share, f"timing every {what}")}
        if args.inference:
            found = latency(network, data, args.batch_sizes, **chosen, **machine)
        else:
            found = speed(network, data, args.batch_sizes, **chosen, **training)
        if args.powers_of_two:
            pairs = powers_of_two(
                network, data, on_progress=lambda share: bar.show(share, "powers of two and neighbours"), **training
            )
    report.publish(args, _report(found, what, pairs))
    return 0


def _report(found: Speed, what: str, pairs: PowersOfTwo | None) -> Report:
    from minisgd.lab import words
    from minisgd.lab.instruments import LatencyPoint
    from minisgd.lab.instruments.throughput.picture import draw_pairs, draw_speed

    rate = words.short(found.examples_per_second)
    line = f"A {what} on B examples takes about {words.seconds(found.t0_seconds)} + B / ({rate} examples/s)"
    low, high = map(words.size, found.knee_interval)
    sentences = [
        f"{line}, within {100 * found.residual:.1f}%.",
        f"The knee, where overhead and work take equally long, is at batch size {words.size(found.knee)} "
        f"({low} to {high}).",
    ]
    plots = [Picture("speed", f"How long does a {what} take?", lambda: draw_speed(found, what), sentences[1])]
    points = found.points
    if what == "prediction":
        times = [
            Column("p50", [p.step_seconds for p in points], words.seconds),
            Column("p99", [p.p99_seconds for p in points if isinstance(p, LatencyPoint)], words.seconds),
        ]
    else:
        times = [
            Column("step", [p.step_seconds for p in points], words.seconds),
            Column("interval", [p.interval for p in points], lambda ends: " to ".join(map(words.seconds, ends))),
        ]
    tables = {
        f"{what}s": [
            Column("batch", [p.batch_size for p in points]),
            *times,
            Column("examples/s", [p.examples_per_second for p in points], words.short),
            Column("off the line", [p.residual for p in points], "{:+.1%}".format),
        ]
    }
    if pairs:
        low, high = map("{:.3f}".format, pairs.interval)
        ratio = f"{pairs.ratio:.3f} ({low} to {high})"
        sentences.append(f"A batch of 2^k takes {ratio} of the time of its neighbours' mean.")
        plots.append(Picture("pairs", "Are powers of two faster?", lambda: draw_pairs(pairs), sentences[2]))
        tables["powers of two"] = [
            Column("batch", [p.batch_size for p in pairs.powers]),
            Column("ratio", [p.ratio for p in pairs.powers], "{:.3f}".format),
            Column("interval", [p.interval for p in pairs.powers], lambda ends: "{:.3f} to {:.3f}".format(*ends)),
        ]
    return Report(
        answer=line,
        document=found.to_dict() | ({"powers_of_two": pairs.to_dict()} if pairs else {}),
        how=[f"{found.how}; intervals hold 95%"],
        sentences=sentences,
        tables=tables,
        plots=plots,
    )
