"""Every device's own bodies of methods against the textbook, at random shapes; and the textbook alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.backend import NumpyOps, Ops, dispatch
from minisgd.backend.cuda.cupy_ops import CupyOps
from minisgd.nn import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Layer,
    Linear,
    MaxPool2d,
    Network,
    ReLU,
    Residual,
    ScaledDotProduct,
    Sequential,
    Sigmoid,
)
from minisgd.nn.cpu import block_size
from minisgd.nn.cpu.block_size import BlockSize
from minisgd.training.feeds.device_feeds import ResidentFeed
from minisgd.training.feeds.feed import Feed
from minisgd.training.prepare import prepare
from minisgd.typing import Shape
from tests.nn.layer_bench import Bench, TextbookOps
from tests.nn.layer_tables import LAYERS, LOSSES
from tests.optim.optimizer_table import OPTIMIZERS

EXAMPLES = {"cpu": 25, "cuda": 4}
KINDS = [
    (device, kind)
    for device in EXAMPLES
    for kind in dict.fromkeys(kind for kind, _ in dispatch.entries(device))
    if issubclass(kind, Layer)
]

Rng = np.random.Generator


def random_window(rng: Rng, shape: Shape) -> dict[str, Any]:
    """Draw kernel and stride of a window that fits into an image (H, W, C)."""
    kernel = tuple(int(rng.integers(1, min(4, n) + 1)) for n in shape[:2])
    return {"kernel": kernel, "stride": (int(rng.integers(1, 4)), int(rng.integers(1, 4)))}


def random_convolution(rng: Rng, shape: Shape) -> Layer:
    padding = (int(rng.integers(0, 3)), int(rng.integers(0, 3)))
    window = random_window(rng, shape)
    if rng.random() < 0.5:
        window["stride"] = 1
    return Conv2d(int(rng.integers(1, 8)), padding=padding, bias=bool(rng.random() < 0.5), **window)


def random_batch_norm(rng: Rng, shape: Shape) -> Layer:
    ghost = None if rng.random() < 0.4 else int(rng.integers(2, 5))
    return BatchNorm(ghost=ghost, affine=bool(rng.random() < 0.7), momentum=float(rng.uniform(0, 1)))


def random_attention(rng: Rng, shape: Shape) -> Layer:
    return ScaledDotProduct(int(rng.choice([1, 2])), causal=bool(rng.random() < 0.5))


def chain(rng: Rng, shape: Shape) -> list[Layer]:
    return [Linear(int(rng.integers(1, 20))), ReLU(), Linear(shape[-1]), Sigmoid()]


RANDOM: dict[type, Callable[[Rng, Shape], Layer]] = {
    Conv2d: random_convolution,
    ScaledDotProduct: random_attention,
    BatchNorm: random_batch_norm,
    MaxPool2d: lambda rng, shape: MaxPool2d(**random_window(rng, shape)),
    AvgPool2d: lambda rng, shape: AvgPool2d(**random_window(rng, shape)),
    Sequential: lambda rng, shape: Sequential(*chain(rng, shape)),
    Residual: lambda rng, shape: Residual(*chain(rng, shape)),
    Network: lambda rng, shape: Sequential(*chain(rng, shape)),  # every bench is a network
}
"""Layers with hyper-parameters that matter to the loops inside; the others are made as in their table."""


def random_layer(kind: type, rng: Rng) -> tuple[Layer, Shape, int]:
    """Draw a layer, the shape of an example and the smallest batch it trains on."""
    if issubclass(kind, Sequential):
        shape: Shape = (int(rng.integers(1, 9)),)
        return RANDOM[kind](rng, shape), shape, 1
    row = next(row for row in LAYERS.values() if type(row.make((5, 5, 2))) is kind)
    if row.sequences and not row.features:
        shape = (int(rng.integers(1, 40)), int(rng.integers(1, 4)) * 6)
    elif row.images and (not row.features or rng.random() < 0.6):
        shape = (int(rng.integers(3, 9)), int(rng.integers(3, 9)), int(rng.integers(1, 8)))
    else:
        shape = (int(rng.integers(1, 9)),)
    return RANDOM.get(kind, lambda rng, shape: row.make(shape))(rng, shape), shape, row.least


@pytest.mark.parametrize(("device", "kind"), KINDS, ids=lambda value: getattr(value, "__name__", value))
def test_a_body_computes_what_the_textbook_computes(
    device: str, kind: type, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device == "cuda":
        request.getfixturevalue("fake_cupy")
    ops: Ops = CupyOps() if device == "cuda" else NumpyOps()
    bodies, called = dispatch._bodies(device)[kind], set()
    for name, body in bodies.items():
        monkeypatch.setitem(bodies, name, lambda *args, name=name, body=body: (called.add(name), body(*args))[1])
    for seed in range(EXAMPLES[device]):
        rng = np.random.default_rng([seed, len(kind.__name__)])
        # blocks of a few images, of one, and of all
        monkeypatch.setattr(block_size, "CACHED", BlockSize(int(10 ** rng.uniform(1, 4)), int(10 ** rng.uniform(2, 6))))
        layer, shape, least = random_layer(kind, rng)
        b = int(rng.integers(max(2, least), 12))
        options = {"seeds": 0 if rng.random() < 0.5 else [3, 4, 5], "largest": b + int(rng.integers(0, 3))}
        own, textbook = (Bench([layer], shape, b, ops=each, **options) for each in (ops, TextbookOps()))
        textbook.fill(rng)
        own.take_from(textbook)
        for bench in (own, textbook):
            bench.ops.upload(2, out=bench.clock)
        expected, found = textbook.results(), own.results()
        for name, values in expected.items():
            assert_allclose(found[name], values, rtol=1e-8, atol=1e-9, err_msg=f"{name} of {layer}, {shape}, {b}")
        x = rng.normal(0, 2, (5, *shape))
        predicted = [bench.network.predict(x, batch_size=3) for bench in (own, textbook)]
        assert_allclose(*predicted, rtol=1e-8, atol=1e-9, err_msg=f"prediction of {layer}, {shape}")
    assert called == bodies.keys(), "a body that nobody asks for"


def test_every_body_is_of_something_that_the_tables_test() -> None:
    made = {type(row.make((5, 5, 2))) for row in LAYERS.values()} | {Network}
    made |= {type(row.make()) for row in LOSSES.values()} | {type(optimizer) for optimizer in OPTIMIZERS.values()}
    made |= {Feed, ResidentFeed}  # in tests/training/feeds
    for device in EXAMPLES:
        assert {kind for kind, _ in dispatch.entries(device)} <= made
        for kind, name in dispatch.entries(device):
            assert callable(getattr(kind, name)), f"{kind.__name__} has no method {name}"


def mlp() -> Network:
    return Network(Linear(24), BatchNorm(), ReLU(), ms.Dropout(0.2), Linear(16), ms.GELU(), Linear(10))


def cnn() -> Network:
    return Network(
        Conv2d(6, 3, padding=1), BatchNorm(ghost=16), ReLU(), MaxPool2d(2),
        Conv2d(8, 3), ms.LeakyReLU(), AvgPool2d(2), ms.Flatten(), Linear(10),
    )  # fmt: skip


def losses(network: Network, data: ms.Dataset, seeds: Any) -> list[Any]:
    """Return the mean training loss of each of four passes over the data, one for every replica."""
    prepared = prepare(network, data, ms.SGD(0.05, momentum=0.9), batch_size=48, seeds=seeds, dtype="float64")
    session, found = prepared.session(), []
    for epoch in range(1, 5):
        while session.examples < epoch * len(data.train.x):
            session.advance(lambda epoch=epoch: session.examples >= epoch * len(data.train.x))
        found.append(session.take_train_loss())
    return found


@pytest.mark.parametrize("seeds", [0, [0, 1]])
@pytest.mark.parametrize("make", [mlp, cnn])
def test_everything_trains_by_the_textbook_alone(
    make: Callable[[], Network], seeds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same losses to rounding as with the bodies of the processor."""
    digits = ms.datasets.digits(validation=None, seed=0)
    shape = (-1, 64) if make is mlp else (-1, 8, 8, 1)
    data = ms.Dataset.from_arrays(digits.train.x[:480].reshape(shape), digits.train.y[:480], validation=None)
    tuned = losses(make(), data, seeds)
    monkeypatch.setattr(dispatch, "_table", {})
    assert NumpyOps().method(ReLU(), "forward").__func__ is ReLU.forward  # type: ignore[attr-defined]
    textbook = losses(make(), data, seeds)
    assert_allclose(textbook, tuned, rtol=1e-7)
    assert np.all(np.array(textbook[-1]) < np.array(textbook[0]))
