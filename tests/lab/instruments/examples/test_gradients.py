"""Gradients and norms of single examples, as a user asks for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.data import Split
from minisgd.lab.instruments.examples import gradients as per_example
from minisgd.typing import HostArray

CHAINS: dict[str, tuple[tuple[int, ...], Any]] = {
    "dense": ((5,), lambda: [ms.Linear(6), ms.ReLU(), ms.Linear(3)]),
    "norms": ((5,), lambda: [ms.Linear(6), ms.LayerNorm(), ms.Tanh(), ms.Linear(4), ms.BatchNorm(), ms.Linear(3)]),
    "images": (
        (6, 6, 2),
        lambda: [
            ms.Conv2d(3, 3),
            ms.BatchNorm(),
            ms.ReLU(),
            ms.MaxPool2d(2),
            ms.Flatten(),
            ms.Dropout(0.5),
            ms.Linear(3),
        ],
    ),
}


def case(name: str, n: int = 7) -> tuple[ms.Network, HostArray, HostArray]:
    shape, layers = CHAINS[name]
    rng = np.random.default_rng(0)
    net = ms.Network(*layers()).build(shape, seeds=1)
    net.vector += rng.normal(0, 0.2, net.vector.shape).astype("float32")
    net.statistics[...] = rng.uniform(0.5, 2, net.statistics.shape)
    return net, rng.normal(0, 1, (n, *shape)), rng.integers(0, 3, n)


def loop(net: ms.Network, x: HostArray, y: HostArray, loss: ms.Loss | None = None) -> HostArray:
    return np.array(
        [ms.Objective(net, Split(x[i : i + 1], y[i : i + 1]), loss=loss).gradient(net.vector) for i in range(len(x))]
    )


@pytest.mark.parametrize("name", CHAINS)
def test_a_loop_over_examples_finds_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, y = case(name)
    monkeypatch.setattr(per_example, "ELEMENTS", 3 * net.n_parameters)  # three examples at a time
    expected = loop(net, x, y)
    assert_allclose(ms.per_example_gradients(net, x, y), expected, rtol=1e-10, atol=1e-13)
    norms = ms.per_example_norms(net, x, y)
    assert_allclose(norms.total, (expected**2).sum(1), rtol=1e-10)
    assert len(norms) == 7
    for segment in net.layout:
        own = expected[:, segment.offset : segment.stop]
        assert_allclose(norms.by_parameter[segment.name], (own**2).sum(1), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", [ms.MeanSquaredError(), ms.Huber(delta=0.4), ms.BinaryCrossEntropy()])
def test_losses_of_values(loss: ms.Loss) -> None:
    net, x, _ = case("dense")
    y = np.random.default_rng(1).uniform(0, 1, (7, 3))
    expected = loop(net, x, y, loss)
    assert_allclose(ms.per_example_gradients(net, x, y, loss=loss), expected, rtol=1e-10, atol=1e-13)
    assert_allclose(ms.per_example_norms(net, x, y, loss=loss).total, (expected**2).sum(1), rtol=1e-10)


def test_labels_are_codes_though_some_are_missing() -> None:
    net, x, _ = case("dense")
    y = np.full(7, 2)
    assert_allclose(ms.per_example_gradients(net, x, y), loop(net, x, y), rtol=1e-10, atol=1e-13)


def test_bytes_are_scaled_as_in_training() -> None:
    data = ms.datasets.digits(validation=None).subset(40)
    net = ms.train(ms.model("linear", (64,), 10), data, epochs=1).network
    found = ms.per_example_gradients(net, data.train.x, data.train.y).mean(0)
    assert_allclose(found, ms.Objective(net, data).gradient(net.vector), rtol=1e-9, atol=1e-14)


def test_dropout_is_off_and_training_mode_with_it_refused() -> None:
    net, x, y = case("images")
    assert_allclose(ms.per_example_gradients(net, x, y), ms.per_example_gradients(net, x, y), rtol=0)
    for function in (ms.per_example_gradients, ms.per_example_norms):
        with pytest.raises(ms.ArgumentError, match="^mode must be 'evaluation' .* BatchNorm, which .*ms.LayerNorm"):
            function(net, x, y, mode="train")
    masked = ms.Network(ms.Dropout(0.5), ms.Linear(3)).build((5,))
    with pytest.raises(ms.ArgumentError, match="^mode must be 'evaluation' .* Dropout, which draws a mask"):
        ms.per_example_gradients(masked, x[:, 0, :, 0][:, :5], y, mode="train")
    net, x, y = case("dense")
    assert_allclose(ms.per_example_gradients(net, x, y, mode="train"), ms.per_example_gradients(net, x, y), rtol=0)


@pytest.mark.parametrize(
    "change, error, match",
    [
        (lambda net, x, y: (net, x[:, :4], y), ms.ShapeError, "^data must be examples of shape"),
        (lambda net, x, y: (net, x, y + 1), ms.MinisgdError, "^data must be labels below 3"),
        (lambda net, x, y: (net, x, y - 1), ms.ArgumentError, "^y must be labels from 0"),
        (lambda net, x, y: (net, x[:0], y[:0]), ms.DataError, "must be"),
        (lambda net, x, y: (net, x, y[:3]), ms.DataError, "^y must be of length 7"),
        (lambda net, x, y: (net, np.where(x > 2, np.nan, x), y), ms.DataError, "^x must be finite"),
        (lambda net, x, y: (ms.Network(ms.Linear(3)), x, y), ms.ArgumentError, "must be"),
        (lambda net, x, y: ("net", x, y), ms.DtypeError, "^network must be an ms.Network"),
        (
            lambda net, x, y: (ms.Network(ms.Linear(3)).build((5,), seeds=[0, 1]), x, y),
            ms.ArgumentError,
            "single network",
        ),
    ],
)
def test_wrong_uses_are_refused(change: Any, error: type[Exception], match: str) -> None:
    net, x, y = case("dense", n=7)
    x[0, 0] = 3.0
    for function in (ms.per_example_gradients, ms.per_example_norms):
        with pytest.raises(error, match=match):
            function(*change(net, x, y))


def test_a_network_that_diverged_is_refused_by_name() -> None:
    net, x, y = case("dense")
    net.parameters()["2.W"][1, 1] = np.inf
    with pytest.raises(
        ms.ArgumentError, match="^network must be a network with finite weights, got inf in 2.W; the training run"
    ):
        ms.per_example_norms(net, x, y)
    with pytest.raises(ms.ArgumentError, match="^mode must be 'evaluation' or 'train'"):
        ms.per_example_norms(net, x, y, mode="eval")
