"""``minisgd explore``: one offline page on which gradient descent is run live."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from minisgd.cli import output
from minisgd.cli.parser import Parser, folder, positive
from minisgd.cli.probe import subject
from minisgd.errors import ArgumentError

EXAMPLES = """\
  minisgd explore --data digits --model mlp:32
  minisgd explore --data digits --model mlp:64 --weights runs/a/weights.safetensors --out explore.html"""


def configure(parser: Parser) -> None:
    subject.configure(parser, dtype="float64")
    group = parser.add_argument_group("explorer")
    group.add_argument("--out", type=folder, metavar="FILE", default="explore.html", help="the page (explore.html)")
    group.add_argument("--examples", type=positive, metavar="N", default=500, help="a fixed draw of so many (500)")


def run(args: Namespace) -> int:
    """Train where no weights are given, compute the plane around them, write the page, and say where it is."""
    from minisgd.lab.explorer import explore
    from minisgd.training import train

    out = Path(args.out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError("--out", expected="a file that ends in .html", got=str(out), fix="write --out explore.html")
    output.require_writable(out.parent)
    network, data, loss = subject.load(args)
    if args.weights is None and args.init is None:
        output.note("training the network, to look around a minimum", args.quiet)
        network = train(network, data, loss=loss, seed=args.seed, dtype=args.dtype, device=args.device).network
    examples = min(args.examples, len(data))
    explore(network, data, loss=loss, seed=args.seed, examples=examples).save(out)
    if args.json:
        output.print_json({"page": str(out)})
    else:
        print(f"Open {out} in a browser.")
    return 0
