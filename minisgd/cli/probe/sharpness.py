"""``minisgd probe sharpness``: the curvature of the loss at a network, and which learning rates are stable there."""

from __future__ import annotations

from argparse import Namespace

from minisgd.cli import inputs, running
from minisgd.cli.parser import Parser, integer, number
from minisgd.cli.probe import report, subject
from minisgd.cli.probe.report import Picture, Report
from minisgd.errors import ArgumentError

EXAMPLES = """\
  minisgd probe sharpness --data digits --model mlp:128 --weights runs/a/weights.safetensors --lr 0.1
  minisgd probe sharpness --data digits --model linear --init zeros --json
  minisgd probe sharpness --data idx:DIR --model cnn --examples 1000"""

FEWER = 1000
"""Examples that are suggested where there are more."""


def configure(parser: Parser) -> None:
    subject.configure(parser, dtype="float64")
    group = parser.add_argument_group("sharpness")
    group.add_argument("--examples", type=integer, metavar="N", help="a fixed draw of so many (all)")
    group.add_argument("--lr", type=number, metavar="X", help="learning rate in use, to compare with the stable ones")
    group.add_argument("--batch-size", type=integer, metavar="B", help="batch size in use, for lr/B")
    group.add_argument("--momentum", type=number, metavar="X", default=0.0, help="momentum in use (0)")
    group.add_argument("--rho", type=number, metavar="X", default=0.05, help="radius of SAM's step (0.05)")
    group.add_argument(
        "--samples", type=integer, metavar="N", help="random vectors for the trace (100, or exact for a small model)"
    )
    group.add_argument("--exact", action="store_true", help="the exact trace: a product for every parameter")
    group.add_argument("--products", type=integer, metavar="N", default=300, help="Lanczos steps at most (300)")
    report.configure(parser)


def run(args: Namespace) -> int:
    """Measure, print and write; Lanczos that did not converge is noted, and no error."""
    from minisgd.backend.cpu.threads import blas_threads, choose_threads
    from minisgd.lab.instruments import Objective, sharpness
    from minisgd.lab.instruments.curvature.hessian import default_samples
    from minisgd.lab.instruments.curvature.picture import draw_limits

    if args.exact and args.samples is not None:
        raise ArgumentError("--samples", expected="left out with --exact", got=args.samples, fix="choose one")
    report.begin(args)
    network, data, loss = subject.load(args)
    objective = Objective(network, data, loss=loss, examples=args.examples, seed=args.seed)
    with blas_threads(choose_threads(objective.largest_product, args.threads)):
        samples = objective.parameters if args.exact else args.samples
        products = min(args.products, 100) + (samples or default_samples(objective.parameters))
        fewer = f"; fewer: --examples {FEWER}" if objective.examples > FEWER else ""
        running.announce(objective, 300 + 4 * products, args, fewer)
        asked = inputs.named(args, "lr", "batch_size", "momentum", "rho", "products", "seed")
        found = sharpness(objective, samples=samples, **asked)
    more = f"Lanczos has not converged in {found.products} products; more: --products 1000"
    caption = (
        f"The largest eigenvalue is {found.lambda_max:.3g}, the smallest {found.lambda_min:.3g}, the mean of all "
        f"{found.parameters:,} {found.trace / found.parameters:.3g}: few directions are steep, and they limit the rate."
    )
    page = Report(
        answer=f"Gradient descent is stable below a learning rate of {found.lr_max:.3g}",
        document=found.to_dict(),
        how=["as in evaluation: dropout off, BatchNorm with its running statistics"],
        facts=found.rows(),
        cautions=[] if found.converged else [more],
        plots=[Picture("limits", "Which learning rates are stable?", lambda: draw_limits(found), caption)],
    )
    report.publish(args, page)
    return 0
