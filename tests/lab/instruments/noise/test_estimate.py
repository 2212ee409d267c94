"""Gradient noise as a user asks for it: the closed form on real data, samples, and what is refused."""

from __future__ import annotations

import os
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.instruments.examples.subject import Examples
from minisgd.lab.instruments.noise.curvature import noise_curvature
from minisgd.lab.instruments.noise.linear import is_dense_layer, linear_noise_curvature
from tests.lab.instruments.softmax_regression import ClosedForm, at_zero

FOLDER = os.environ.get("MINISGD_MNIST", "")
MNIST = pytest.mark.skipif(
    not (FOLDER and Path(FOLDER).is_dir()), reason="MINISGD_MNIST names no folder with the MNIST files"
)


@pytest.fixture(scope="module")
def digits() -> ms.Dataset:
    return ms.datasets.digits(validation=None)


def check(found: ms.GradientNoise, true: ClosedForm, rtol: float) -> None:
    for name in ("grad_sq_norm", "trace_covariance", "gradient_curvature", "noise_curvature"):
        assert_allclose(getattr(found, name), getattr(true, name), rtol=rtol, err_msg=name)
    assert_allclose(found.b_simple, true.trace_covariance / true.grad_sq_norm, rtol=rtol)
    assert_allclose(found.b_noise, true.noise_curvature / true.gradient_curvature, rtol=rtol)
    assert_allclose(found.lr_max, true.grad_sq_norm / true.gradient_curvature, rtol=rtol)
    assert_allclose(found.loss_drop_max, true.grad_sq_norm**2 / (2 * true.gradient_curvature), rtol=rtol)
    assert found.low == found.high == found.b_simple and found.exact and found.noise_curvature_error == 0


def test_exact_figures_are_those_of_the_closed_form(digits: ms.Dataset) -> None:
    found = ms.gradient_noise(at_zero(digits), digits)
    check(found, ClosedForm.of(digits), 1e-9)
    assert found.examples == found.population == 1797
    assert found.how == "all examples, exactly; tr(HΣ) exactly"


@MNIST
def test_exact_figures_on_ten_thousand_images() -> None:
    data = ms.load(f"idx:{FOLDER}", validation=None)
    data = replace(data, train=max(data.splits.values(), key=len), validation=None, test=None)
    check(ms.gradient_noise(at_zero(data), data), ClosedForm.of(data), 1e-9)


def test_every_direction_of_the_noise_finds_the_closed_form_too(digits: ms.Dataset, monkeypatch: Any) -> None:
    """The general way, by Hessian-vector products along principal axes."""
    data = digits.subset(120)
    monkeypatch.setattr("minisgd.lab.instruments.noise.curvature.is_dense_layer", lambda network: False)
    check(ms.gradient_noise(at_zero(data), data), ClosedForm.of(data), 1e-9)


def test_a_network_against_its_matrices() -> None:
    """tr(HΣ) and GᵀHG of a small network, with H and Σ written out."""
    rng = np.random.default_rng(0)
    net = ms.Network(ms.Linear(4), ms.Tanh(), ms.Linear(3)).build((3,), dtype="float64")
    x, y = rng.normal(size=(20, 3)), np.arange(20) % 3
    g, objective = ms.per_example_gradients(net, x, y), ms.Objective(net, (x, y))
    H = np.array([objective.hessian_vector(net.vector, e) for e in np.eye(net.n_parameters)])
    G, sigma = g.mean(0), np.cov(g.T)
    found = ms.gradient_noise(net, (x, y))
    assert_allclose(found.trace_covariance, np.trace(sigma), rtol=1e-10)
    assert_allclose(found.noise_curvature, np.trace(H @ sigma), rtol=1e-9)
    assert_allclose(found.gradient_curvature, G @ H @ G, rtol=1e-9)
    assert_allclose(found.best_lr(8), found.lr_max / (1 + found.b_noise / 8), rtol=1e-12)
    assert_allclose(found.loss_drop(8), found.loss_drop_max / (1 + found.b_noise / 8), rtol=1e-12)


def test_random_directions_find_it_within_their_error() -> None:
    rng = np.random.default_rng(0)
    net = ms.Network(ms.Linear(5), ms.Tanh(), ms.Linear(3)).build((4,), dtype="float64")
    weight = rng.uniform(0.5, 2, 30)
    split = ms.Split(rng.normal(size=(30, 4)), np.arange(30) % 3, weight)
    examples, objective = Examples.of(net, split, None), ms.Objective(net, split)
    mean = objective.gradient(net.vector)
    true = noise_curvature(objective, examples, mean, 2, rng, complete=True)
    found = [noise_curvature(objective, examples, mean, 24, rng, complete=False) for _ in range(12)]
    assert true.error == 0 and all(f.error > 0 for f in found)
    off = np.array([(f.value - true.value) / f.error for f in found])
    assert abs(off.mean()) < 1.2 and 0.3 < off.std() < 2.5


@pytest.mark.parametrize("layers", [[ms.Linear(3)], [ms.Linear(3, bias=False)], [ms.Flatten(), ms.Linear(3)]])
@pytest.mark.parametrize("loss", [None, ms.MeanSquaredError(), ms.BinaryCrossEntropy()])
def test_one_dense_layer_has_a_closed_form_for_every_loss(layers: list[ms.Layer], loss: ms.Loss | None) -> None:
    rng = np.random.default_rng(1)
    shape = (2, 2, 1) if len(layers) == 2 else (4,)
    net = ms.Network(*layers).build(shape, dtype="float64")
    y = np.arange(15) % 3 if loss is None else rng.uniform(0, 1, (15, 3))
    weight = rng.uniform(0.5, 2, 15)
    data = ms.Split(rng.normal(size=(15, *shape)), y, weight)
    examples, objective = Examples.of(net, data, loss), ms.Objective(net, data, loss=loss)
    each = [ms.Objective(net, data.take(slice(i, i + 1)), loss=loss).gradient(net.vector) for i in range(15)]
    g = weight[:, None] / weight.mean() * np.array(each)  # weights are scaled to a mean of one, that of a single to 1
    H = np.array([objective.hessian_vector(net.vector, e) for e in np.eye(net.n_parameters)])
    assert is_dense_layer(net)
    assert_allclose(linear_noise_curvature(examples), np.trace(H @ np.cov(g.T)), rtol=1e-9)


def test_other_networks_are_no_dense_layer() -> None:
    for layers in ([ms.Linear(3), ms.Linear(3)], [ms.LayerNorm(), ms.Linear(3)], [ms.Linear(3), ms.Tanh()]):
        assert not is_dense_layer(ms.Network(*layers))


def test_a_sample_is_an_estimate_of_the_whole(digits: ms.Dataset) -> None:
    net, true = at_zero(digits), ClosedForm.of(digits)
    inside = 0
    for seed in range(20):
        found = ms.gradient_noise(net, digits, examples=200, seed=seed, probes=2)
        assert not found.exact and (found.examples, found.population) == (200, 1797)
        inside += found.low <= true.trace_covariance / true.grad_sq_norm <= found.high
    assert inside >= 19
    assert found.how == "per-example gradients of 200 of 1797 examples; tr(HΣ) along 2 random directions"
    assert ms.gradient_noise(net, digits, examples=200, seed=19, probes=2) == found


def test_curvatures_of_samples_are_right_on_average(digits: ms.Dataset) -> None:
    """Without its correction GᵀHG would be three times too large here."""
    net, true = at_zero(digits), ClosedForm.of(digits)
    found = [ms.gradient_noise(net, digits, examples=400, seed=seed, probes=4) for seed in range(24)]
    assert_allclose(np.mean([f.noise_curvature for f in found]), true.noise_curvature, rtol=0.1)
    assert_allclose(np.mean([f.gradient_curvature for f in found]), true.gradient_curvature, rtol=0.35)


def test_noise_without_a_gradient_is_not_resolved() -> None:
    rng = np.random.default_rng(0)
    net = ms.Network(ms.Linear(1)).build((6,), init=ms.init.Zeros())
    x = rng.normal(size=(400, 6))
    found = ms.gradient_noise(net, (x, rng.normal(size=400)), examples=20, seed=3)
    assert not found.resolved and found.high == np.inf
    negative = [ms.gradient_noise(net, (x, rng.normal(size=400)), examples=20, seed=s) for s in range(12)]
    assert any(f.grad_sq_norm < 0 and isnan(f.b_simple) for f in negative)


def test_dropout_and_batch_statistics_are_left_out(digits: ms.Dataset) -> None:
    data = digits.subset(60)
    layers = [ms.Linear(6), ms.BatchNorm(), ms.ReLU(), ms.Linear(10)]
    net = ms.Network(*layers).build((64,), seeds=2)
    masked = ms.Network(*layers[:3], ms.Dropout(0.9), layers[3]).build((64,), seeds=2)
    masked.vector[...] = net.vector
    masked.statistics[...] = net.statistics
    assert ms.gradient_noise(masked, data) == ms.gradient_noise(net, data)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"examples": 3}, "^examples must be an integer from 4 to the 1797 there are, got 3; leave it out"),
        ({"examples": 1798}, "^examples must be"),
        ({"examples": 2.5}, "^examples must be"),
        ({"probes": 1}, "^probes must be an integer of at least 2"),
        ({"split": "validation"}, "^split must be one of train"),
        ({"loss": ms.MeanSquaredError()}, "must be"),
    ],
)
def test_wrong_uses_are_refused(digits: ms.Dataset, options: dict[str, Any], match: str) -> None:
    with pytest.raises(ms.MinisgdError, match=match):
        ms.gradient_noise(at_zero(digits), digits, **options)


def test_networks_that_cannot_be_measured_are_refused(digits: ms.Dataset) -> None:
    with pytest.raises(ms.ArgumentError, match="^examples must be .* to the 3 there are, got 3; a spread"):
        ms.gradient_noise(at_zero(digits), digits.train.take(np.array([0, 1, 2])))
    net = at_zero(digits)
    net.vector[5] = np.nan
    with pytest.raises(ms.ArgumentError, match="^network must be a network with finite weights, got nan in"):
        ms.gradient_noise(net, digits)
    net.vector[...] = 1e300
    deep = ms.model("mlp:4", (64,), 10).build((64,), dtype="float64")
    deep.vector[...] = 1e200
    with pytest.raises(ms.DivergedError, match="^gradient must be finite"):
        ms.gradient_noise(deep, digits)
    with pytest.raises(ms.ArgumentError):
        ms.gradient_noise(ms.model("linear", (64,), 10), digits)
    with pytest.raises(ms.DtypeError, match="^data must be"):
        ms.gradient_noise(at_zero(digits), "digits")  # type: ignore[arg-type]
