"""What layers and networks refuse: the message names the argument, what was expected, what came, and the fix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisgd.errors import ArgumentError, DtypeError, MinisgdError, ShapeError
from minisgd.nn import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Network,
    ReLU,
    Residual,
    Sequential,
    Upsample,
)


def refuses(error: type[MinisgdError], call: Callable[[], Any], *words: str) -> None:
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    for word in ("must be", "got", *words):
        assert word in message, message


def built(*layers: Layer, shape: Any = (3,), **options: Any) -> Network:
    return Network(*(layers or (Linear(2),))).build(shape, **options)


# ------------------------------------------------ hyper-parameters

NO_COUNT: list[Any] = [0, -1, 2.5, True, "8", None, float("nan")]


@pytest.mark.parametrize("value", NO_COUNT)
def test_counts(value: Any) -> None:
    refuses(ArgumentError, lambda: Linear(value, name="hidden"), "Linear 'hidden': features", "positive integer")
    refuses(ArgumentError, lambda: Conv2d(value), "Conv2d: channels", "positive integer")
    if value is not None:
        refuses(ArgumentError, lambda: BatchNorm(ghost=value), "BatchNorm: ghost", "positive integer")


@pytest.mark.parametrize("value", [*NO_COUNT, (1, 2, 3), (1,), [1, 2], (0, 1), ()])
def test_pairs(value: Any) -> None:
    for layer in (MaxPool2d, AvgPool2d):
        refuses(ArgumentError, lambda layer=layer: layer(value), "kernel", "integer of at least 1")
    refuses(ArgumentError, lambda: Conv2d(3, value), "Conv2d: kernel", "integer of at least 1")
    refuses(ArgumentError, lambda: Conv2d(3, stride=value), "Conv2d: stride", "integer of at least 1")


@pytest.mark.parametrize("value", [-1, 0.5, "valid", (1, -1), True, None])
def test_padding(value: Any) -> None:
    refuses(ArgumentError, lambda: Conv2d(3, padding=value), "Conv2d: padding")


@pytest.mark.parametrize("options", [{"stride": 2}, {"kernel": 2}, {"kernel": (3, 4)}])
def test_padding_same_needs_a_middle(options: Any) -> None:
    refuses(ArgumentError, lambda: Conv2d(3, **options, padding="same"), "Conv2d: padding", "'same'")


@pytest.mark.parametrize("p", [1, 1.0, -0.1, 2, float("nan"), "half", None, True])
def test_dropout(p: Any) -> None:
    refuses(ArgumentError, lambda: Dropout(p), "Dropout: p", "[0, 1)", "such as 0.5")


@pytest.mark.parametrize("value", [0, 1, -1, float("nan"), "a"])
def test_slope(value: Any) -> None:
    refuses(ArgumentError, lambda: LeakyReLU(value), "LeakyReLU: negative_slope", "(0, 1)")


@pytest.mark.parametrize("value", [0, -1e-5, float("inf"), float("nan"), "a"])
def test_eps(value: Any) -> None:
    refuses(ArgumentError, lambda: BatchNorm(eps=value), "BatchNorm: eps", "(0, inf)")
    refuses(ArgumentError, lambda: LayerNorm(eps=value), "LayerNorm: eps", "(0, inf)")


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.1"])
def test_momentum(value: Any) -> None:
    refuses(ArgumentError, lambda: BatchNorm(momentum=value), "BatchNorm: momentum", "[0, 1]")


def test_numbers_of_numpy_are_numbers() -> None:
    assert repr(Linear(np.int64(3))) == "Linear(3)"  # type: ignore[arg-type]
    assert repr(Dropout(np.float32(0.5))) == "Dropout(0.5)"  # type: ignore[arg-type]


# ------------------------------------------------ shapes

SHAPES: list[tuple[Layer, Any, tuple[str, ...]]] = [
    (Conv2d(2), (784,), ("Conv2d: x", "(B, H, W, C)", "(B, 784)", "channels last")),
    (Conv2d(2), (28, 28), ("Conv2d: x", "(B, H, W, C)", "(B, 28, 28)")),
    (ConvTranspose2d(2), (784,), ("ConvTranspose2d: x", "(B, H, W, C)", "channels last")),
    (ConvTranspose2d(2, 2, padding=2), (2, 2, 1), ("ConvTranspose2d: padding", "3×3", "(2, 2)", "smaller padding")),
    (Upsample(2), (784,), ("Upsample: x", "(B, H, W, C)")),
    (MaxPool2d(2), (784,), ("MaxPool2d: x", "(B, H, W, C)")),
    (AvgPool2d(2), (784,), ("AvgPool2d: x", "(B, H, W, C)")),
    (GlobalAvgPool2d(), (784,), ("GlobalAvgPool2d: x", "(B, H, W, C)")),
    (Conv2d(2, 5), (4, 9, 1), ("Conv2d: kernel", "4×9", "5×5", "smaller kernel")),
    (Conv2d(2, (1, 8), padding=1), (4, 5, 1), ("Conv2d: kernel", "6×7", "1×8")),
    (MaxPool2d(3), (2, 2, 1), ("MaxPool2d: kernel", "2×2", "3×3")),
    (BatchNorm(), (4, 4), ("BatchNorm: x", "(B, features) or (B, H, W, C)", "(B, 4, 4)")),
    (Residual(Linear(4), name="block"), (3,), ("Residual 'block'", "(B, 3)", "(B, 4)", "restores")),
    (Residual(Flatten()), (2, 2, 1), ("Residual", "(B, 2, 2, 1)", "(B, 4)")),
    (Sequential(Flatten(), Sequential(Conv2d(2))), (5, 5, 1), ("Conv2d: x", "(B, 25)")),
]


@pytest.mark.parametrize(("layer", "shape", "words"), SHAPES)
def test_shapes_that_do_not_fit(layer: Layer, shape: Any, words: tuple[str, ...]) -> None:
    refuses(ShapeError, lambda: Network(layer).build(shape), *words)
    refuses(ShapeError, lambda: Network(Sequential(layer)).describe(shape), *words)


@pytest.mark.parametrize("shape", [(), (0,), (3, -1), "3", None, (2.5,), (True,), 0])
def test_input_shapes(shape: Any) -> None:
    refuses(ShapeError, lambda: built(shape=shape), "input_shape", "shape of one example", "(28, 28, 1)")


# ------------------------------------------------ chains


@pytest.mark.parametrize("chain", [Network, Sequential, Residual])
def test_what_is_no_layer(chain: Any) -> None:
    kind = chain.__name__
    refuses(ArgumentError, lambda: chain(Linear(2), ReLU), f"{kind}: layer 1", "write ReLU(), not ReLU")
    refuses(ArgumentError, lambda: chain(128), f"{kind}: layer 0", "128", "layer objects")
    refuses(ArgumentError, lambda: chain([Linear(2)]), f"{kind}: layer 0", "unpack")
    refuses(ArgumentError, lambda: chain(), f"{kind}: layers", "at least one layer")


def test_a_layer_used_twice() -> None:
    layer = Linear(3, name="shared")
    for call in (
        lambda: Network(layer, ReLU(), layer),
        lambda: Network(layer, Sequential(ReLU(), layer)),
        lambda: Network(Residual(layer), Residual(layer)),
    ):
        refuses(ArgumentError, call, "different objects", "Linear 'shared' twice", "do not share weights")
    block = Residual(Linear(3))
    refuses(ArgumentError, lambda: Network(block, block), "Residual twice")


@pytest.mark.parametrize("name", ["a.b", "1", "", 3, True])
def test_names_that_cannot_be_part_of_a_path(name: Any) -> None:
    refuses(ArgumentError, lambda: Linear(3, name=name), "Linear: name", "a word without dots")


def test_names_used_twice() -> None:
    refuses(ArgumentError, lambda: Network(Linear(3, name="a"), Linear(3, name="a")), "layer name 'a'", "unique")
    nested = Sequential(Linear(3, name="a"), name="b")
    refuses(ArgumentError, lambda: Network(nested, Linear(3, name="b")), "layer name 'b'", "unique", "rename")


# ------------------------------------------------ building and predicting


@pytest.mark.parametrize("dtype", ["float16", "int32", "double", np.float32, None])
def test_dtypes(dtype: Any) -> None:
    refuses(ArgumentError, lambda: built(dtype=dtype), "dtype", "'float32' or 'float64'")


@pytest.mark.parametrize("seeds", [-1, 1.5, "0", None, [], [0, -1], [0.5], True])
def test_seeds(seeds: Any) -> None:
    refuses(ArgumentError, lambda: built(seeds=seeds), "seeds", "integer")


def test_predicting_without_weights() -> None:
    network = Network(Linear(2))
    for call in (lambda: network.predict(np.zeros((1, 3))), network.parameters, network.running_statistics):
        refuses(ArgumentError, call, "network", "built", "ms.train")


@pytest.mark.parametrize("x", [np.zeros((4, 5)), np.zeros(3), np.zeros(()), np.zeros((4, 3, 1))])
def test_predicting_the_wrong_shape(x: Any) -> None:
    refuses(ShapeError, lambda: built().predict(x), "x must be", "(N, 3)", "x[None]")


@pytest.mark.parametrize("x", [[[1.0, 2, 3]], None, np.array([["a", "b", "c"]]), np.ones((1, 3), complex)])
def test_predicting_what_is_no_array_of_numbers(x: Any) -> None:
    refuses(DtypeError, lambda: built().predict(x), "x must be", "array")


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, "8"])
def test_batch_sizes(batch_size: Any) -> None:
    refuses(ArgumentError, lambda: built().predict(np.zeros((1, 3)), batch_size=batch_size), "batch_size")


def test_replicas() -> None:
    stack = built(seeds=[1, 2])
    refuses(ArgumentError, lambda: stack.replica(2), "index", "from 0 to 1")
    refuses(ArgumentError, lambda: stack.replica(-1), "index", "from 0 to 1")
    refuses(ArgumentError, lambda: built().replica(0), "index", "copy it")
