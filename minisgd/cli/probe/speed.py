"""``minisgd probe speed``: seconds of a training step, or of a prediction, against the batch size."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from minisgd.cli import options, output, running
from minisgd.cli.parser import Parser, integer, listed, positive
from minisgd.cli.probe import subject
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.lab.instruments import PowersOfTwo, Speed, SpeedPoint
    from minisgd.lab.statistics import Interval

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


def run(args: Namespace) -> int:
    from minisgd.lab.instruments import latency, powers_of_two, speed

    if args.inference and args.powers_of_two:
        raise ArgumentError(
            "--powers-of-two", expected="left out with --inference", got="both", fix="it compares training steps"
        )
    network, data, loss = subject.load(args)
    machine = running.machine(args)
    training = {"optimizer": options.make_optimizer(args), "loss": loss, **machine}
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
    if args.json:
        output.print_json(found.to_dict() | ({"powers_of_two": pairs.to_dict()} if pairs else {}))
        return 0
    _print(found, what)
    if pairs:
        _print_pairs(pairs)
    output.note(f"{found.how}; intervals hold 95%", args.quiet)
    return 0


# ------------------------------------------------ written


def _print(found: Speed, what: str) -> None:
    from minisgd.lab import words

    rate = words.short(found.examples_per_second)
    output.print_text(
        f"A {what} on B examples takes about {words.seconds(found.t0_seconds)} + B / ({rate} examples/s), within "
        f"{100 * found.residual:.1f}%."
    )
    low, high = map(words.size, found.knee_interval)
    output.print_text(
        f"The knee, where overhead and work take equally long, is at batch size {words.size(found.knee)} "
        f"({low} to {high})."
    )
    print()
    columns = ("p50", "p99") if what == "prediction" else ("step", "interval")
    header = ("batch", *columns, "examples/s", "off the line")
    output.print_table(header, [_row(point) for point in found.points], left=0)


def _row(point: SpeedPoint) -> tuple[str, ...]:
    from minisgd.lab import words
    from minisgd.lab.instruments import LatencyPoint

    spread = words.seconds(point.p99_seconds) if isinstance(point, LatencyPoint) else _interval(point.interval)
    return (
        str(point.batch_size),
        words.seconds(point.step_seconds),
        spread,
        words.short(point.examples_per_second),
        f"{100 * point.residual:+.1f}%",
    )


def _interval(ends: Interval) -> str:
    from minisgd.lab import words

    low, high = map(words.seconds, ends)
    return f"{low} to {high}"


def _print_pairs(pairs: PowersOfTwo) -> None:
    print()
    low, high = pairs.interval
    output.print_text(
        f"A batch of 2^k takes {pairs.ratio:.3f} ({low:.3f} to {high:.3f}) of the time of its neighbours' mean."
    )
    print()
    rows = [(str(p.batch_size), f"{p.ratio:.3f}", "{:.3f} to {:.3f}".format(*p.interval)) for p in pairs.powers]
    output.print_table(("batch", "ratio", "interval"), rows, left=0)
