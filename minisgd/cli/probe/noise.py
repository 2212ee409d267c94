"""``minisgd probe noise``: how much single gradients differ, and what that makes of batch size and learning rate."""

from __future__ import annotations

from argparse import Namespace
from math import isfinite
from typing import TYPE_CHECKING

from minisgd.cli import output, running
from minisgd.cli.parser import Parser, integer
from minisgd.cli.probe import subject
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


def run(args: Namespace) -> int:
    """Measure and print."""
    from minisgd.backend.cpu.threads import available_cores, blas_threads
    from minisgd.lab.instruments import Objective, gradient_noise

    if args.exact and args.examples is not None:
        raise ArgumentError("--examples", expected="left out with --exact", got=args.examples, fix="choose one")
    network, data, loss = subject.load(args)
    few = min(SAMPLE, len(data)) if args.examples is None else args.examples
    with blas_threads(args.threads or available_cores()):
        if args.exact or few in range(1, len(data) + 1):
            objective = Objective(network, data, loss=loss, examples=None if args.exact else few)
            running.announce(objective, 10 + 5 * args.probes, args)
        found = gradient_noise(
            network, data, loss=loss, examples=None if args.exact else few, probes=args.probes, seed=args.seed
        )
    if args.json:
        output.print_json(found.to_dict())
    else:
        _print(found, len(data))
        output.note(f"from {found.how}; as in evaluation, without weight decay", args.quiet)
        if not found.resolved:
            fix = "train less, or take more data" if found.exact else "more examples: --examples, --exact"
            output.note(f"the gradient is lost in its noise; {fix}", args.quiet)
    return 0


def _print(found: GradientNoise, n: int) -> None:
    within = "" if found.exact else f"; {_number(found.low)} … {_number(found.high, '∞')} not ruled out (99%)"
    rows = [
        ("|G|²", _number(found.grad_sq_norm, str(found.grad_sq_norm)), "squared norm of the mean gradient"),
        ("tr Σ", _number(found.trace_covariance), "variance of single gradients"),
        ("B_simple", _number(found.b_simple), f"tr Σ / |G|²{within}"),
        ("B_noise", _number(found.b_noise), "tr(HΣ) / GᵀHG: where noise costs as much as curvature"),
        ("lr_max", _number(found.lr_max), "best learning rate of the full gradient"),
    ]
    output.print_table(("", "", ""), rows, left=3)
    if isfinite(found.b_noise):
        print()
        sizes = sorted({b for b in (1, 8, 32, 128, 512, 2048) if b < n} | {n})
        output.print_table(
            ("batch size", "best lr", "loss drop of that step"),
            [(f"{b:,}", _number(found.best_lr(b)), _number(found.loss_drop(b))) for b in sizes],
            left=0,
        )


def _number(value: float, otherwise: str = NOT_RESOLVED) -> str:
    return f"{value:.4g}" if isfinite(value) else otherwise
