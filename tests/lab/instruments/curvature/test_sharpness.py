"""``ms.sharpness``: all figures together, as they are printed and written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.errors import ArgumentError, DataError, DivergedError
from tests.lab.instruments.curvature.smooth_functions import quadratic, softmax_regression


def test_every_figure_of_softmax_regression_at_zero() -> None:
    objective, eigenvalues = softmax_regression()
    found = ms.sharpness(objective, lr=0.1, batch_size=32, momentum=0.9)
    assert_allclose(found.lambda_max, eigenvalues[-1], rtol=1e-6)
    assert abs(found.lambda_max - eigenvalues[-1]) <= found.lambda_max_error + 1e-12
    assert_allclose(found.lambda_min, 0, atol=1e-6 * eigenvalues[-1])
    assert_allclose(found.trace, eigenvalues.sum(), rtol=1e-10)
    assert (found.trace_samples, found.trace_error) == (650, 0)
    guessed = ms.sharpness(objective, samples=100)
    assert abs(guessed.trace - eigenvalues.sum()) < 4 * guessed.trace_error
    assert_allclose(found.lr_max, 2 / eigenvalues[-1], rtol=1e-6)
    assert_allclose(found.lr_max_momentum, 3.8 / eigenvalues[-1], rtol=1e-6)
    assert_allclose(found.loss, np.log(10), rtol=1e-12)
    assert_allclose(found.keskar, ms.keskar_sharpness(objective).value, rtol=1e-6)
    assert_allclose(found.keskar_half, ms.keskar_sharpness(objective, epsilon=5e-4).value, rtol=1e-6)
    assert_allclose(found.sam, ms.sam_sharpness(objective).value, rtol=1e-12)
    assert (found.examples, found.parameters, found.converged) == (1797, 650, True)
    assert_allclose(found.lr_per_example, 0.1 / 32)


def test_the_quadratic_of_methods() -> None:
    """H = diag(1, 9): stable below 2/9, with the heavy ball below 3.8/9; f has no examples."""
    found = ms.sharpness(quadratic(1, 9), momentum=0.9)
    assert_allclose([found.lr_max, found.lr_max_momentum, found.trace], [2 / 9, 3.8 / 9, 10], rtol=1e-12)
    assert found.trace_error == 0 and found.examples is None
    downwards = ms.sharpness(quadratic(-1, -2))
    assert downwards.lr_max == np.inf and downwards.to_dict()["lr_max"] is None


def test_what_is_printed_and_written() -> None:
    objective, _ = softmax_regression()
    found = ms.sharpness(objective, lr=0.1, batch_size=32, momentum=0.9, samples=10, products=20)
    text = str(found)
    for part in ("λmax", "not converged in 20 products", "2(1+μ)/λmax", "lr in use", "lr/B", "0.003125", "ε = 5e-4"):
        assert part in text
    document = json.loads(json.dumps(found.to_dict()))
    asked = {"lambda_max", "lambda_min", "trace", "lr_max", "keskar", "sam", "examples", "lr_max_momentum", "lr"}
    assert asked <= document.keys()
    assert "lr in use" not in str(ms.sharpness(quadratic(1, 9)))


def test_the_same_call_gives_the_same_figures_and_leaves_the_network_alone() -> None:
    data = ms.datasets.digits(validation=0.2)
    network = ms.train(ms.model("mlp-bn:8", data.input_shape, 10), data, steps=20).network
    before = network.vector.copy(), network.statistics.copy()
    one, two = (ms.sharpness(network, data, examples=200, samples=10, seed=3) for _ in range(2))
    assert one == two and one.examples == 200
    assert_array_equal(network.vector, before[0])
    assert_array_equal(network.statistics, before[1])


def test_wrong_uses_are_refused() -> None:
    data = ms.datasets.digits(validation=0.2)
    network = ms.model("linear", data.input_shape, 10)
    with pytest.raises(ArgumentError, match="built, with weights"):
        ms.sharpness(network, data)
    network.build(data.input_shape)
    with pytest.raises(DataError, match="given with a network"):
        ms.sharpness(network)
    for options in ({"lr": 0.0}, {"batch_size": 0}, {"momentum": 1.0}, {"tolerance": 0.0}, {"rho": 0}, {"examples": 0}):
        with pytest.raises(ArgumentError, match=f"^{next(iter(options))} must be"):
            ms.sharpness(network, data, **options)  # type: ignore[arg-type]
    network.vector[0] = np.inf
    with pytest.raises(DivergedError, match="weights must be finite"):
        ms.sharpness(network, data)
