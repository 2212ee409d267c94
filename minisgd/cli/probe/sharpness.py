"""``minisgd probe sharpness``: how the loss is curved where a network stands, and which learning rates that bears."""

from __future__ import annotations

from argparse import Namespace
from time import perf_counter
from typing import TYPE_CHECKING

from minisgd.cli import output
from minisgd.cli.parser import Parser, number, whole
from minisgd.cli.probe import subject
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.lab.instruments import Objective

EXAMPLES = """\
  minisgd probe sharpness --data digits --model mlp:128 --weights runs/a/weights.safetensors --lr 0.1
  minisgd probe sharpness --data digits --model linear --init zeros --json
  minisgd probe sharpness --data idx:DIR --model cnn --examples 1000"""

WORTH_TELLING = 3.0
"""Seconds of work that are announced before they begin."""

FEWER = 1000
"""Examples that are suggested where there are more."""


def configure(parser: Parser) -> None:
    subject.configure(parser, dtype="float64")
    group = parser.add_argument_group("sharpness")
    group.add_argument("--examples", type=whole, metavar="N", help="a fixed draw of so many (all)")
    group.add_argument("--lr", type=number, metavar="X", help="learning rate in use, to set beside the largest stable")
    group.add_argument("--batch-size", type=whole, metavar="B", help="batch size in use, for lr/B")
    group.add_argument("--momentum", type=number, metavar="X", default=0.0, help="momentum in use (0)")
    group.add_argument("--rho", type=number, metavar="X", default=0.05, help="radius of SAM's step (0.05)")
    group.add_argument(
        "--samples", type=whole, metavar="N", help="random vectors for the trace (100, or exact for a small model)"
    )
    group.add_argument("--exact", action="store_true", help="the exact trace: a product for every parameter")
    group.add_argument("--products", type=whole, metavar="N", default=300, help="Lanczos steps at most (300)")


def run(args: Namespace) -> int:
    """Measure and print; a Lanczos that did not converge is no error, but says so."""
    from minisgd.backend.cpu.threads import blas_threads, choose_threads
    from minisgd.lab.instruments import Objective, sharpness

    if args.exact and args.samples is not None:
        raise ArgumentError("--samples", expected="left out beside --exact", got=args.samples, fix="choose one")
    network, data, loss = subject.load(args)
    objective = Objective(network, data, loss=loss, examples=args.examples, seed=args.seed)
    with blas_threads(choose_threads(objective.largest_product, args.threads)):
        samples = objective.parameters if args.exact else args.samples
        _announce(objective, samples, args)
        found = sharpness(
            objective,
            lr=args.lr,
            batch_size=args.batch_size,
            momentum=args.momentum,
            rho=args.rho,
            samples=samples,
            products=args.products,
            seed=args.seed,
        )
    if args.json:
        output.print_json(found.to_dict())
    else:
        output.print_table(("", "", ""), found.rows(), left=3)
        output.note("as in evaluation: dropout off, BatchNorm with its running statistics", args.quiet)
    if not found.converged:
        output.note(f"Lanczos has not converged in {found.products} products; more: --products 1000", args.quiet)
    return 0


def _announce(objective: Objective, samples: int | None, args: Namespace) -> None:
    """Say how long it may take, where that is worth saying, by the time of one gradient."""
    from minisgd.lab.instruments.curvature.hessian import default_samples

    w = objective.start
    objective.gradient(w)
    begun = perf_counter()
    objective.gradient(w)
    products = min(args.products, 100) + (samples or default_samples(objective.parameters))
    seconds = (perf_counter() - begun) * (300 + 4 * products)
    if seconds > WORTH_TELLING:
        from minisgd.lab import words

        less = f"; fewer examples: --examples {FEWER}" if objective.examples > FEWER else ""
        output.note(f"{objective.examples:,} examples, about {words.seconds(seconds)}{less}", args.quiet)
