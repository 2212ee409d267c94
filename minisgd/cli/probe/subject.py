"""What a probe looks at: a network with weights, a data set and a loss."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, NamedTuple

from minisgd.cli import inputs, options
from minisgd.cli.parser import Parser, choice, folder
from minisgd.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from minisgd.data import Dataset
    from minisgd.nn import Loss, Network

INITIALIZERS = ("he", "xavier", "zeros")


class Subject(NamedTuple):
    """What is measured: the network has weights, of the dtype and on the device that were asked for."""

    network: Network
    data: Dataset
    loss: Loss


def configure(parser: Parser, *, dtype: str = "float32") -> None:
    """Add the options that probes of a network share; dtype is the default of --dtype."""
    options.add_data(parser, validation=0.0)
    options.add_model(parser, default="mlp:128")
    group = parser.add_argument_group("weights")
    group.add_argument("--weights", type=folder, metavar="FILE", help="a .safetensors file, as training writes it")
    group.add_argument(
        "--init",
        type=choice(*INITIALIZERS),
        metavar="NAME",
        help=f"fresh weights: {', '.join(INITIALIZERS)} (as each layer does by itself)",
    )
    options.add_loss(parser)
    options.add_common(parser, dtype=dtype)


def load(args: Namespace) -> Subject:
    """Return what the options describe.

    Raises:
        ArgumentError: --weights and --init are both given.
        ShapeError: The weights belong to other data.
        CheckpointError: The weights belong to another network.
    """
    from minisgd.training.memory import default_loss

    if args.weights and args.init:
        raise ArgumentError(
            "--init", expected="left out with --weights", got=args.init, fix="choose fresh weights or those of a file"
        )
    data = inputs.load_data(args)
    network, _ = inputs.load_model(args, data)
    built = _loaded(network, data, args) if args.weights else _fresh(network, data, args)
    built.input_scale, built.classes = data.scale, data.classes
    return Subject(built, data, inputs.make_loss(args) or default_loss(data.task))


def _fresh(network: Network, data: Dataset, args: Namespace) -> Network:
    """Return the network with weights drawn from the seed."""
    from minisgd.backend import get_ops
    from minisgd.nn import init

    rules = {"he": init.HeNormal(), "xavier": init.XavierNormal(), "zeros": init.Zeros(), None: None}
    return network.build(
        data.input_shape, seeds=args.seed, dtype=args.dtype, ops=get_ops(args.device), init=rules[args.init]
    )


def _loaded(network: Network, data: Dataset, args: Namespace) -> Network:
    """Return the network with the weights of the file."""
    from minisgd.backend import get_ops
    from minisgd.nn.weights import require_single

    read = require_single(network.load(args.weights), f"--weights '{args.weights}'")
    if read.input_shape != data.input_shape:
        raise ShapeError(
            f"--weights '{args.weights}'",
            expected=f"those of a network for examples of shape {data.input_shape}, as the data has them",
            got=read.input_shape,
            fix="name the data that it was trained on",
        )
    built = network.build(data.input_shape, dtype=args.dtype, ops=get_ops(args.device))
    built.ops.upload(read.vector, out=built.vector)
    built.ops.upload(read.statistics, out=built.statistics)
    return built
