"""From the name of a model, as it is typed on a command line, to the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod

from minisgd.checks import positive
from minisgd.errors import ArgumentError, DtypeError, ShapeError
from minisgd.nn.imported import network_of
from minisgd.nn.initializers import XavierNormal
from minisgd.nn.layer import Layer
from minisgd.nn.layers.activations import LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from minisgd.nn.layers.batch_norm import BatchNorm
from minisgd.nn.layers.conv import Conv2d
from minisgd.nn.layers.embedding import PositionalEmbedding
from minisgd.nn.layers.flatten import Flatten, Reshape
from minisgd.nn.layers.gates import GELU, Hardswish, Mish, SiLU
from minisgd.nn.layers.layer_norm import LayerNorm
from minisgd.nn.layers.linear import Linear
from minisgd.nn.layers.pool import MaxPool2d
from minisgd.nn.layers.rectifiers import ELU, SELU, PReLU
from minisgd.nn.network import Network, as_input_shape
from minisgd.nn.transformer import TransformerBlock
from minisgd.typing import Shape

SMALLEST_IMAGE = 4
"""Two poolings halve it to one pixel."""

__all__ = ["model"]


def model(name: str, input_shape: Shape, outputs: int) -> Network:
    """Return the network of a name, without weights, for examples of a shape and so many outputs.

    linear            one dense layer
    mlp:128,64        a dense layer and ReLU for every width, then a dense layer
    mlp:128,64,tanh   the same with another activation: elu, gelu, hardswish, leakyrelu, mish, prelu, relu, selu,
                        sigmoid, silu, softplus or tanh
    mlp-bn:128,64     the same with BatchNorm before every activation
    cnn               for images (H, W, C): twice 3×3 convolution, BatchNorm, ReLU, pooling; then a dense layer
    transformer:32,4,2  attention among the rows of an image, the positions of a sequence (T, D), or the features of a
                        table: width 32, 4 heads, 2 blocks; then a dense layer
    text:32           for words: a learned vector of 32 numbers for each, their weighted sum, ReLU; then a dense layer
    autoencoder:32    a dense layer of 128, SiLU, a code of 32 numbers, and back; targets are the inputs
    FILE.py:function  what function(input_shape, outputs) returns

    Args:
        name: One of the forms above.
        input_shape: Shape of one example.
        outputs: Width of the last layer: classes, or values to predict.

    Raises:
        ArgumentError: For a name of no known form, and outputs that are no positive integer.
        ShapeError: For a cnn on examples that are no images.
    """
    if not isinstance(name, str):
        raise DtypeError("name", expected=f"one of {FORMS}", got=repr(name), fix="for example 'mlp:128'")
    input_shape, outputs = as_input_shape(input_shape), positive(outputs, "outputs")
    kind, _, detail = name.partition(":")
    if kind.endswith(".py"):
        return network_of(name, input_shape, outputs)
    if kind not in MODELS or (detail and ":" not in MODELS[kind].form):
        raise _unknown(name, kind, detail)
    return Network(*MODELS[kind].hidden(name, input_shape), Linear(outputs, name="output"))


def reconstructs(name: str) -> bool:
    """Tell whether the targets of a model of this name are its inputs."""
    kind = name.partition(":")[0]
    return kind in MODELS and MODELS[kind].reconstructs


def _flat(input_shape: Shape) -> list[Layer]:
    return [Flatten()] if len(input_shape) > 1 else []


def _linear(name: str, input_shape: Shape) -> list[Layer]:
    return _flat(input_shape)


def _mlp(name: str, input_shape: Shape) -> list[Layer]:
    kind, _, detail = name.partition(":")
    widths, _, last = detail.rpartition(",")
    activation = ACTIVATIONS.get(last.strip())
    layers = _flat(input_shape)
    for position, width in enumerate(_widths(name, widths if activation else detail), 1):
        layers.append(Linear(width, name=f"hidden{position}"))
        if kind == "mlp-bn":
            layers.append(BatchNorm(name=f"norm{position}"))
        layers.append((activation or ReLU)())
    return layers


ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    kind.__name__.lower(): kind
    for kind in (ELU, GELU, Hardswish, LeakyReLU, Mish, PReLU, ReLU, SELU, Sigmoid, SiLU, Softplus, Tanh)
}
"""Of an mlp, by the word that may follow its widths."""


def _widths(name: str, detail: str) -> list[int]:
    widths, kind = _integers(detail), name.partition(":")[0]
    if min(widths) < 1:
        word = detail.rpartition(",")[2].strip()
        near = get_close_matches(word, ACTIVATIONS, n=1) if word and not word.isdecimal() else []
        expected = "a name with positive integers as widths, and after them an activation or none"
        fix = f"write {kind}:128, {kind}:128,64 or {kind}:128,{near[0] if near else 'gelu'}"
        raise ArgumentError("model", expected=expected, got=repr(name), fix=fix)
    return widths


def _one_width(name: str) -> int:
    kind, _, detail = name.partition(":")
    width, *more = _integers(detail)
    if more or width < 1:
        form = f"{kind}:{max(width, 0) or 32}"
        raise ArgumentError("model", expected=f"{kind}: and one positive integer", got=repr(name), fix=f"write {form}")
    return width


def _integers(detail: str) -> list[int]:
    """Return the integers of a list such as 128,64; 0 for what is none."""
    return [int(text) if text.strip().isdecimal() else 0 for text in detail.split(",")]


def _cnn(name: str, input_shape: Shape) -> list[Layer]:
    if len(input_shape) != 3 or min(input_shape[:2]) < SMALLEST_IMAGE:
        expected = f"images (H, W, C) of at least {SMALLEST_IMAGE}×{SMALLEST_IMAGE}"
        fix = "give images with channels last, such as (28, 28, 1), or use mlp:128"
        raise ShapeError("model 'cnn': input", expected=expected, got=input_shape, fix=fix)
    layers: list[Layer] = []
    for position, channels in enumerate((16, 32), 1):
        layers += [
            Conv2d(channels, 3, padding="same", name=f"conv{position}"),
            BatchNorm(name=f"norm{position}"),
            ReLU(),
            MaxPool2d(2),
        ]
    return [*layers, Flatten()]


def _transformer(name: str, input_shape: Shape) -> list[Layer]:
    numbers = _integers(name.partition(":")[2])
    if len(numbers) != 3 or min(numbers) < 1 or numbers[0] % numbers[1]:
        expected = "transformer:WIDTH,HEADS,BLOCKS, where the heads divide the width"
        raise ArgumentError("model", expected=expected, got=repr(name), fix="write transformer:32,4,2")
    width, heads, blocks = numbers
    positions = input_shape[0] if len(input_shape) > 1 else prod(input_shape)
    return [
        Reshape(positions, prod(input_shape) // positions),
        Linear(width, init=XavierNormal(), name="embedding"),
        PositionalEmbedding(name="positions"),
        *(TransformerBlock(width, heads, name=f"block{position}") for position in range(1, blocks + 1)),
        LayerNorm(name="norm"),
        Flatten(),
    ]


def _text(name: str, input_shape: Shape) -> list[Layer]:
    """Return a bag of embeddings: with weights x_j of the words, Σ_j x_j W_j  (Joulin et al. 2016)."""
    return [*_flat(input_shape), Linear(_one_width(name), bias=False, init=XavierNormal(), name="embedding"), ReLU()]


def _autoencoder(name: str, input_shape: Shape) -> list[Layer]:
    code = _one_width(name)
    small = XavierNormal()  # from and to a code of few numbers He's rule would begin far from any input
    encoder = [Linear(AROUND_CODE, name="encoder"), SiLU(), Linear(code, init=small, name="code")]
    return [*_flat(input_shape), *encoder, Linear(AROUND_CODE, init=small, name="decoder"), SiLU()]


AROUND_CODE = 128
"""Width of the hidden layers of an autoencoder."""


@dataclass(frozen=True)
class Model:
    """A row of the table of models.

    form: how its name is written   hidden: from name and input shape to all layers but the last, which is dense
    reconstructs: whether its targets are its inputs
    """

    form: str
    hidden: Callable[[str, Shape], list[Layer]]
    reconstructs: bool = False


MODELS = {
    row.form.partition(":")[0]: row
    for row in (
        Model("linear", _linear),
        Model("mlp:128,64", _mlp),
        Model("mlp-bn:128,64", _mlp),
        Model("cnn", _cnn),
        Model("transformer:32,4,2", _transformer),
        Model("text:32", _text),
        Model("autoencoder:32", _autoencoder, reconstructs=True),
    )
}

FORMS = f"{', '.join(row.form for row in MODELS.values())} or FILE.py:function"
"""Every form that the name of a model may have, in words."""

ACTIVATION_FORM = "an mlp's activation follows its widths, mlp:128,gelu, and is ReLU by default"


def _unknown(name: str, kind: str, detail: str) -> ArgumentError:
    near = get_close_matches(kind, MODELS, n=1)
    if kind in MODELS:
        fix = f"{kind} takes no widths; write {kind!r}, or mlp:{detail}"
    elif near:
        detail = detail or MODELS[near[0]].form.partition(":")[2]
        fix = f"did you mean {':'.join(filter(None, [near[0], detail]))!r}?"
    else:
        fix = "choose one of them"
    return ArgumentError("model", expected=f"one of {FORMS}", got=repr(name), fix=fix)
