"""The objective: closed forms, differences, a second implementation of evaluation, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.errors import ShapeError
from minisgd.lab.instruments.objective import Objective
from minisgd.typing import HostArray

CHAINS: dict[str, tuple[tuple[int, ...], Any]] = {
    "tanh": ((5,), lambda: [ms.Linear(4), ms.Tanh(), ms.Linear(3)]),
    "ReLU": ((5,), lambda: [ms.Linear(6), ms.ReLU(), ms.Linear(3)]),
    "LeakyReLU": ((5,), lambda: [ms.Linear(6), ms.LeakyReLU(0.2), ms.Linear(3)]),
    "GELU and LayerNorm": ((5,), lambda: [ms.Linear(4), ms.LayerNorm(), ms.GELU(), ms.Linear(3)]),
    "Softplus and BatchNorm": ((5,), lambda: [ms.Linear(4), ms.BatchNorm(), ms.Softplus(), ms.Linear(3)]),
    "Sigmoid, Dropout and a short cut": (
        (5,),
        lambda: [ms.Residual(ms.Linear(5), ms.Sigmoid()), ms.Dropout(0.5), ms.Linear(3)],
    ),
    "tokens": (
        (5,),
        lambda: [ms.Embedding(4, 3), ms.PositionalEmbedding(), ms.RMSNorm(), ms.Mish(), ms.Flatten(), ms.Linear(3)],
    ),
    "attention": (
        (4, 3),
        lambda: [ms.Linear(6), ms.Residual(ms.RMSNorm(), ms.Attention(6, 2, causal=True)), ms.Flatten(), ms.Linear(3)],
    ),
    "images": (
        (6, 6, 2),
        lambda: [
            ms.Conv2d(3, 3, padding="same"),
            ms.BatchNorm(),
            ms.ReLU(),
            ms.MaxPool2d(2),
            ms.Conv2d(2, 2, stride=2),
            ms.AvgPool2d(1),
            ms.Flatten(),
            ms.Linear(3),
        ],
    ),
    "global mean": ((6, 6, 1), lambda: [ms.Conv2d(3, 3), ms.Tanh(), ms.GlobalAvgPool2d(), ms.Linear(3)]),
}


def make(name: str, n: int = 11, loss: Any = None, **options: Any) -> Objective:
    """Return an objective on random examples, its running statistics anywhere."""
    shape, layers = CHAINS[name]
    rng = np.random.default_rng(0)
    network = ms.Network(*layers()).build(shape, seeds=3)
    network.vector += rng.normal(0, 0.3, network.vector.shape).astype("float32")
    network.statistics[...] = rng.uniform(0.5, 2, network.statistics.shape)
    x = rng.integers(0, 4, (n, *shape)) if name == "tokens" else rng.normal(0, 1, (n, *shape))
    y = rng.integers(0, 3, n) if loss is None else rng.uniform(0.1, 0.9, (n, 3))
    return Objective(network, (x, np.r_[0, 1, 2, y[3:]] if loss is None else y), loss=loss, **options)


def differences(objective: Objective, w: HostArray, v: HostArray, r: float) -> tuple[float, HostArray]:
    """Return vᵀ∇f and H v by central differences."""
    up, down = objective.value_and_gradient(w + r * v), objective.value_and_gradient(w - r * v)
    return (up[0] - down[0]) / (2 * r), (up[1] - down[1]) / (2 * r)


@pytest.mark.parametrize("name", CHAINS)
def test_gradient_and_hessian_agree_with_central_differences(name: str) -> None:
    objective = make(name, chunk=4)
    w, v = objective.start, np.random.default_rng(1).normal(0, 1, objective.parameters)
    along, product = differences(objective, w, v, 1e-6)
    value, gradient = objective.value_and_gradient(w)
    assert_allclose(gradient @ v, along, rtol=1e-7)
    assert_allclose(objective.hessian_vector(w, v), product, rtol=1e-6, atol=1e-8)
    assert value == objective.value(w)


@pytest.mark.parametrize("loss", [ms.MeanSquaredError(), ms.Huber(delta=0.3), ms.BinaryCrossEntropy(), ms.L1()])
def test_every_loss_has_its_hessian(loss: ms.Loss) -> None:
    objective = make("tanh", loss=loss)
    w, v = objective.start, np.random.default_rng(1).normal(0, 1, objective.parameters)
    assert_allclose(objective.hessian_vector(w, v), differences(objective, w, v, 1e-6)[1], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", CHAINS)
def test_hessian_is_symmetric_to_rounding(name: str) -> None:
    objective, rng = make(name), np.random.default_rng(1)
    u, v = rng.normal(0, 1, (2, objective.parameters))
    left = u @ objective.hessian_vector(objective.start, v)
    assert_allclose(left, v @ objective.hessian_vector(objective.start, u), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CHAINS)
def test_value_is_the_loss_of_evaluation(name: str) -> None:
    objective = make(name)
    scored = ms.evaluate(objective.network, ms.SoftmaxCrossEntropy(), objective.data.train)
    assert_allclose(objective.value(objective.start), scored["loss"], rtol=1e-5)


def test_softmax_regression_at_zero_has_its_closed_form() -> None:
    """G_c = x̄/C − 1/N Σ_{y=c} x   H = (1/C)(I − 11ᵀ/C) ⊗ XᵀX/N   (methods 1(d))"""
    data = ms.datasets.digits(validation=0.0)
    network = ms.model("linear", data.input_shape, 10).build(data.input_shape)
    network.vector[...] = 0
    objective = Objective(network, data)
    images, c = data.train.x.reshape(len(data), -1) * data.scale, 10
    x = np.c_[images, np.ones(len(data))]  # the bias is one more feature
    by_class = (np.eye(c)[data.train.y] - 1 / c).T @ x / len(x)
    value, gradient = objective.value_and_gradient(objective.start)
    assert_allclose(value, np.log(c), rtol=1e-14)
    assert_allclose(gradient, -by_class.T.reshape(-1), rtol=1e-10, atol=1e-15)
    v = np.random.default_rng(0).normal(0, 1, (x.shape[1], c))
    expected = (x.T @ x / len(x)) @ v @ (np.eye(c) - 1 / c) / c
    assert_allclose(
        objective.hessian_vector(objective.start, v.reshape(-1)), expected.reshape(-1), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("chunk", [1, 3, 5, 11, 100])
def test_chunks_change_nothing_but_rounding(chunk: int) -> None:
    whole, parts = make("images"), make("images", chunk=chunk)
    w, v = whole.start, np.random.default_rng(1).normal(0, 1, whole.parameters)
    for _ in range(2):
        for mine, theirs in zip(parts.value_and_gradient(w), whole.value_and_gradient(w), strict=True):
            assert_allclose(mine, theirs, rtol=1e-10, atol=1e-14)
        assert_allclose(parts.hessian_vector(w, v), whole.hessian_vector(w, v), rtol=1e-10, atol=1e-13)


def test_the_same_call_gives_the_same_bits_and_the_network_keeps_its_weights() -> None:
    objective = make("images", chunk=4)
    w, before = objective.start, objective.network.vector.copy()
    statistics = objective.network.statistics.copy()
    first, other = objective.value_and_gradient(w), objective.gradient(w + 1)
    again = objective.value_and_gradient(w)
    assert first[0] == again[0] and not np.array_equal(first[1], other)
    assert_array_equal(first[1], again[1])
    assert_array_equal(objective.network.vector, before)
    assert_array_equal(objective.network.statistics, statistics)
    assert objective.network.dtype == "float32" and first[1].dtype == np.float64


def test_weights_of_examples_count() -> None:
    rng = np.random.default_rng(0)
    x, y, weight = rng.normal(0, 1, (6, 5)), np.array([0, 1, 2, 0, 1, 2]), np.array([2.0, 0, 1, 1, 0, 3])
    network = ms.Network(ms.Linear(3)).build((5,))
    weighted = Objective(network, ms.Split(x, y, weight), chunk=4)
    rows = np.repeat(np.arange(6), weight.astype(int))
    repeated = Objective(network, ms.Split(x[rows], y[rows]))
    # a weighted mean: weights are scaled to a mean of one over the examples that count
    assert_allclose(weighted.gradient(weighted.start), repeated.gradient(weighted.start), rtol=1e-12)


def test_float32_is_a_choice() -> None:
    objective, exact = make("tanh", dtype="float32"), make("tanh")
    w, v = objective.start, np.ones(objective.parameters)
    assert objective.gradient(w).dtype == objective.hessian_vector(w, v).dtype == np.float32
    assert_allclose(objective.hessian_vector(w, v), exact.hessian_vector(w, v), rtol=1e-3, atol=1e-5)


def test_examples_may_be_a_fixed_draw() -> None:
    data = ms.datasets.digits(validation=0.2)
    network = ms.model("mlp:4", data.input_shape, 10).build(data.input_shape)
    one, same = (Objective(network, data, examples=100, seed=1) for _ in range(2))
    other = Objective(network, data, examples=100, seed=2)
    assert one.examples == 100
    assert one.value(one.start) == same.value(one.start) != other.value(one.start)
    held = Objective(network, data, split="validation")
    assert held.examples == len(data.validation)  # type: ignore[arg-type]


def test_vectors_of_another_shape_are_refused() -> None:
    objective = make("tanh")
    for wrong in (np.zeros(3), np.zeros((objective.parameters, 1)), np.zeros(objective.parameters, complex), "w"):
        with pytest.raises(ShapeError, match="w must be a real vector"):
            objective.value(wrong)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="v must be a real vector"):
        objective.hessian_vector(objective.start, np.zeros(3))


def test_an_overflow_makes_no_noise() -> None:
    """It is told by numbers that are not finite; a warning would fail this test."""
    network = ms.Network(ms.Linear(1)).build((2,))
    objective = Objective(network, (np.full((3, 2), 1e200), np.ones(3)))
    assert not np.isfinite(objective.value(objective.start))
    assert not np.isfinite(objective.hessian_vector(objective.start, np.ones(3))).all()


def test_labels_of_a_pair_are_codes_though_a_class_is_missing() -> None:
    network = ms.Network(ms.Linear(3)).build((2,))
    x, y = np.random.default_rng(0).normal(size=(4, 2)), np.array([1, 2, 2, 1])
    pair, split = Objective(network, (x, y)), Objective(network, ms.Split(x, y))
    assert_array_equal(pair.gradient(pair.start), split.gradient(split.start))
