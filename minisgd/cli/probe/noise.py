"""``minisgd probe noise``: how much single gradients differ, and what that makes of batch size and learning rate."""

from __future__ import annotations

from argparse import Namespace
from math import isfinite
from typing import TYPE_CHECKING

from minisgd.cli import running
from minisgd.cli.parser import Parser, integer
from minisgd.cli.probe import report, subject
from minisgd.cli.probe.report import Column, Picture, Report
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.lab.instruments import GradientNoise

EXAMPLES = """\
  minisgd probe noise --data digits --model mlp:128 --weights runs/a/weights.safetensors
  minisgd probe noise --data digits --model linear --init zeros --exact --json
  minisgd probe noise --data idx:DIR --model cnn --examples 2000"""

SAMPLE = 1024
"""Examples that are looked at where no number is given."""

NOT_RESOLVED = "not resolved"


def configure(parser: Parser) -> None:
    subject.configure(parser, dtype="float64")
    group = parser.add_argument_group("noise")
    group.add_argument("--examples", type=integer, metavar="N", help=f"a random draw of so many ({SAMPLE}, or all)")
    group.add_argument("--exact", action="store_true", help="look at all examples")
    group.add_argument("--probes", type=integer, metavar="N", default=16, help="random directions for curvature (16)")
    report.configure(parser)


def run(args: Namespace) -> int:
    """Measure, print and write."""
    from minisgd.backend.cpu.threads import available_cores, blas_threads
    from minisgd.lab.instruments import Objective, gradient_noise

    if args.exact and args.examples is not None:
        raise ArgumentError("--examples", expected="left out with --exact", got=args.examples, fix="choose one")
    report.begin(args)
    network, data, loss = subject.load(args)
    few = min(SAMPLE, len(data)) if args.examples is None else args.examples
    with blas_threads(args.threads or available_cores()):
        if args.exact or few in range(1, len(data) + 1):
            objective = Objective(network, data, loss=loss, examples=None if args.exact else few)
            running.announce(objective, 10 + 5 * args.probes, args)
        found = gradient_noise(
            network, data, loss=loss, examples=None if args.exact else few, probes=args.probes, seed=args.seed
        )
    report.publish(args, _report(found, len(data)))
    return 0


def _report(found: GradientNoise, n: int) -> Report:
    from minisgd.lab.instruments.noise.picture import draw_noise

    within = "" if found.exact else f"; {_number(found.low)} … {_number(found.high, '∞')} not ruled out (99%)"
    lost = f"{NOT_RESOLVED}: the gradient is lost in its noise"
    tables: dict[str, list[Column]] = {}
    plots: list[Picture] = []
    if isfinite(found.b_noise):
        sizes = sorted({b for b in (1, 8, 32, 128, 512, 2048) if b < n} | {n})
        tables["steps"] = [
            Column("batch size", sizes, "{:,}".format),
            Column("best lr", [found.best_lr(b) for b in sizes], _number),
            Column("loss drop of that step", [found.loss_drop(b) for b in sizes], _number),
        ]
        caption = (
            f"Predicted by |G|², GᵀHG and tr(HΣ): a step at batch size B_noise = {_number(found.b_noise)} gains half "
            "of what a step along the full gradient gains, at half its learning rate."
        )
        plots = [Picture("noise", "What does a step gain at each batch size?", lambda: draw_noise(found), caption)]
    fix = "train less, or take more data" if found.exact else "more examples: --examples, --exact"
    return Report(
        answer=f"Noise scale B_simple: {_number(found.b_simple, lost)}",
        document=found.to_dict(),
        how=[f"from {found.how}; as in evaluation, without weight decay"],
        facts=[
            ("|G|²", _number(found.grad_sq_norm, str(found.grad_sq_norm)), "squared norm of the mean gradient"),
            ("tr Σ", _number(found.trace_covariance), "variance of single gradients"),
            ("B_simple", _number(found.b_simple), f"tr Σ / |G|²{within}"),
            ("B_noise", _number(found.b_noise), "tr(HΣ) / GᵀHG: where noise costs as much as curvature"),
            ("lr_max", _number(found.lr_max), "best learning rate of the full gradient"),
        ],
        tables=tables,
        cautions=[] if found.resolved else [f"the gradient is lost in its noise; {fix}"],
        plots=plots,
    )


def _number(value: float, otherwise: str = NOT_RESOLVED) -> str:
    return f"{value:.4g}" if isfinite(value) else otherwise
