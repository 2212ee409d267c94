"""The interval of B_simple: does it hold the truth as often as it says, and does it open where it must."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.instruments.noise.interval import NoiseInterval, fieller, interval_of_examples
from minisgd.lab.instruments.noise.moments import from_squared_norms
from minisgd.lab.student import t_quantile
from minisgd.typing import HostArray
from tests.lab.instruments.softmax_regression import at_zero


def of(g: HostArray, population: int | None = None) -> NoiseInterval:
    total = g.sum(0)
    return interval_of_examples((g**2).sum(1), g @ total, float(total @ total), population)


@pytest.fixture(scope="module")
def gradients() -> dict[str, HostArray]:
    """All gradients of softmax regression at zero, and of a network early in its training."""
    data = ms.datasets.digits(validation=None)
    early = ms.train(ms.model("mlp:16", data.input_shape, 10), data, epochs=1).network
    return {
        name: ms.per_example_gradients(net, data.train.x, data.train.y)
        for name, net in (("at zero", _scaled(at_zero(data), data)), ("early", early))
    }


def _scaled(net: ms.Network, data: ms.Dataset) -> ms.Network:
    net.input_scale = data.scale
    return net


@pytest.mark.parametrize("name", ["at zero", "early"])
@pytest.mark.parametrize("n", [32, 256])
def test_the_truth_is_inside_in_at_least_95_of_100(gradients: dict[str, HostArray], name: str, n: int) -> None:
    g, rng = gradients[name], np.random.default_rng(7)
    truth = of(g, population=len(g)).estimate.b_simple
    inside = 0
    for _ in range(200):
        found = of(g[rng.permutation(len(g))[:n]], population=len(g))
        inside += found.low <= truth <= found.high
    assert inside >= 190


def test_it_is_no_wider_than_it_must_be(gradients: dict[str, HostArray]) -> None:
    g, rng = gradients["at zero"], np.random.default_rng(0)
    found = of(g[rng.permutation(len(g))[:1024]], population=len(g))
    assert found.resolved and found.high / found.low < 1.25
    ten = of(g[rng.permutation(len(g))[:10]], population=len(g))
    assert not ten.resolved and ten.high == inf and ten.low >= 0


def test_all_examples_leave_no_doubt(gradients: dict[str, HostArray]) -> None:
    found = of(gradients["at zero"], population=1797)
    assert found.low == found.high == found.estimate.b_simple and found.resolved


def test_the_jackknife_is_what_leaving_out_does() -> None:
    """The spread from products alone, against estimates from the arrays themselves."""
    g = np.random.default_rng(1).normal(0.5, 1, (12, 3))
    left_out = []
    for i in range(12):
        rest = np.delete(g, i, axis=0)
        e = from_squared_norms(float((rest**2).sum()), float((rest.sum(0) ** 2).sum()), 11)
        left_out.append((e.trace_covariance, e.grad_sq_norm))
    covariance = 11**2 / 12 * np.cov(np.array(left_out).T)
    whole = of(g).estimate
    expected = fieller(whole.trace_covariance, whole.grad_sq_norm, covariance, t_quantile(0.995, 11))
    assert_allclose((of(g).low, of(g).high), expected, rtol=1e-10)


def test_noise_alone_is_not_resolved() -> None:
    found = of(np.random.default_rng(3).normal(0, 1, (50, 40)))
    assert found.high == inf and not found.resolved and found.low > 0


def test_fieller() -> None:
    # independent and precise: a/b ± t √(Var a/b² + a² Var b/b⁴)
    low, high = fieller(10.0, 2.0, np.diag([0.01, 1e-12]), 2.0)
    assert_allclose((low, high), (4.9, 5.1), rtol=1e-6)
    low, high = fieller(10.0, 1.0, np.diag([0.01, 1.0]), 2.0)
    assert 2 < low < 10 and high == inf
    assert fieller(0.1, 0.1, np.eye(2), 2.0) == (0.0, inf)
    assert fieller(10.0, -5.0, np.diag([0.01, 1.0]), 2.0)[1] == inf
