"""``minisgd probe landscape``: the loss on a plane around a network, or on the line between two, as a picture."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minisgd.cli import output
from minisgd.cli.parser import Parser, folder, integer, number
from minisgd.cli.probe import subject
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.cli.probe.subject import Subject
    from minisgd.lab.instruments import LossLine, LossPlane
    from minisgd.nn import Network

EXAMPLES = """\
  minisgd probe landscape --data digits --model mlp:64 --weights a.safetensors --out around.png
  minisgd probe landscape --data digits --model mlp:64 --weights a.safetensors --to b.safetensors --out ab.png
  minisgd probe landscape --data digits --model mlp:128 --init he --points 51 --json"""

SUFFIXES = (".png", ".svg", ".html", ".json")

MOST = 2
"""Further networks, two of which fix a plane; one of them fixes a line."""


def configure(parser: Parser) -> None:
    subject.configure(parser, dtype="float64")
    group = parser.add_argument_group("landscape")
    group.add_argument("--out", type=folder, metavar="FILE", help="a .png, .svg or .html, or .json for the numbers")
    group.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        action="append",
        help="weights of another network: the line to it; given twice, the plane through all three",
    )
    group.add_argument("--line", action="store_true", help="a line in one random direction instead of a plane")
    group.add_argument("--span", type=number, metavar="X", help="so far to either side (1, or what shows the networks)")
    group.add_argument("--points", type=integer, metavar="N", help="places along an axis (31 of a plane, 41 of a line)")
    group.add_argument("--examples", type=integer, metavar="N", help="a fixed draw of so many (all)")


def run(args: Namespace) -> int:
    """Evaluate, write the picture, and say where it lies and what it shows."""
    from minisgd.backend.cpu.threads import blas_threads, choose_threads
    from minisgd.lab.instruments import LossLine, Objective

    others = args.to or []
    if len(others) > MOST:
        raise ArgumentError("--to", expected="given once or twice", got=f"{len(others)} times", fix="leave some out")
    if args.line and others:
        raise ArgumentError("--line", expected="left out with --to", got="both", fix="leave it out")
    if args.out is None and not args.json:
        raise ArgumentError("--out", expected="a file to write", got="none", fix="write --out landscape.png, or --json")
    if args.out is not None:
        if args.out.suffix.lower() not in SUFFIXES:
            expected, fix = "a file that ends in .png, .svg, .html or .json", "write --out landscape.png"
            raise ArgumentError("--out", expected=expected, got=str(args.out), fix=fix)
        output.require_writable(args.out.parent)
    about = subject.load(args)
    towards = [about.network.load(path) for path in others]
    widest = Objective(*about[:2], loss=about.loss, examples=args.examples).largest_product
    with blas_threads(choose_threads(widest, args.threads)):
        found = _evaluate(about, towards, args)
    if args.out is not None:
        found.save(args.out)
    if args.json:
        output.print_json(found.to_dict())
        return 0
    rows = _line_rows(found) if isinstance(found, LossLine) else _plane_rows(found)
    output.print_table(("", ""), [*rows, ("written to", str(args.out))], left=2)
    output.note("as in evaluation: dropout off, BatchNorm with its running statistics", args.quiet)
    return 0


def _evaluate(about: Subject, others: list[Network], args: Namespace) -> LossLine | LossPlane:
    from minisgd.lab.instruments import loss_line, loss_plane

    network, data, loss = about
    asked: dict[str, Any] = {"loss": loss, "examples": args.examples, "seed": args.seed}
    if args.points is not None:
        asked["points"] = args.points
    if args.line or len(others) == 1:
        span = None if args.span is None else (-args.span, args.span)
        return loss_line(network, data, to=others[0] if others else None, span=span, **asked)
    through = (others[0], others[1]) if others else None
    return loss_plane(network, data, through=through, span=args.span, **asked)


def _line_rows(line: LossLine) -> list[tuple[str, str]]:
    rows = [
        ("line", "to the second network" if line.ends == "networks" else "random direction, filter-normalised"),
        ("t", f"{line.t[0]:g} to {line.t[-1]:g}, {len(line.t)} points; one unit is {line.length:.4g}"),
        ("mean loss", f"{min(line.loss):.4g} to {max(line.loss):.4g}, {line.examples} examples"),
    ]
    if line.ends == "networks" and line.t[0] <= 0 and line.t[-1] >= 1:
        rows.append(("barrier", f"{line.barrier:.4g} above the chord between the networks"))
    return rows


def _plane_rows(plane: LossPlane) -> list[tuple[str, str]]:
    kinds = {"random": "around the network, two random directions, filter-normalised", "through": "through all three"}
    return [
        ("plane", kinds[plane.kind]),
        ("a", f"{plane.a[0]:.4g} to {plane.a[-1]:.4g}, {len(plane.a)} points; one unit is {plane.lengths[0]:.4g}"),
        ("b", f"{plane.b[0]:.4g} to {plane.b[-1]:.4g}, {len(plane.b)} points; one unit is {plane.lengths[1]:.4g}"),
        ("mean loss", f"{plane.loss.min():.4g} to {plane.loss.max():.4g}, {plane.examples} examples"),
    ]
