"""The noisy quadratic model through the real optimizers: exactly, and by simulation."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.optim import SGD
from tests.optim.noisy_quadratic import Responses, recursion
from tests.optim.optimizer_table import bench, vector

BATCH_SIZES = np.array([1, 4, 16, 64, 256, 1024, 4096, 16384])
SPECTRUM = 1 / np.arange(1.0, 101)


def second_moments(optimizer, h, c, batch_size, steps, replicas, seed=0):
    """Yield the mean of θ² over replicas after every step from θ = 1."""
    rng = np.random.default_rng(seed)
    b = bench(optimizer, vector(len(h)), lead=(replicas,))
    b.w[:] = 1.0
    for _ in range(steps):
        np.multiply(h, b.w, out=b.g)
        b.g += np.sqrt(c / batch_size) * rng.standard_normal(b.g.shape)
        b.program.replay()
        yield np.mean(b.w**2, axis=0)


def test_one_coordinate_simulated():
    """h = c = 1, lr 0.5, B = 4: E[θ²] is 0.3125 after one step and 1/12 at last."""
    coordinates = 500
    h = np.ones(coordinates)
    moments = [m.mean() for m in second_moments(SGD(0.5), h, 1.0, 4, steps=40, replicas=200)]
    # 100,000 samples a step: the standard error is 0.4% of the first value and 0.45% of the last
    assert_allclose(moments[0], 0.3125, rtol=0.02)
    assert_allclose(np.mean(moments[20:]), 1 / 12, rtol=0.01)


@pytest.mark.parametrize("lr, batch_size, steady", [(0.1, 1, 0.0526316), (0.05, 1, 0.0256410), (0.1, 2, 0.0263158)])
def test_growing_the_batch_quiets_like_decaying_the_rate(lr, batch_size, steady):
    responses = Responses(np.ones(1), np.array([lr]), momentum=0.0)
    for _ in range(500):
        responses.step()
    assert_allclose(responses.sum_k2 / batch_size, steady, rtol=2e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_both_roads_meet(momentum):
    lrs = np.array([0.01, 0.3, 1.5])
    responses = Responses(SPECTRUM, lrs, momentum)
    written = [recursion(SPECTRUM, SPECTRUM, lr, momentum, batch_size=4) for lr in lrs]
    for _ in range(60):
        responses.step()
        expected = [next(moments) for moments in written]
        assert_allclose(responses.phi**2 + SPECTRUM / 4 * responses.sum_k2, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("momentum, lr", [(0.0, 0.5), (0.9, 0.2)])
def test_simulated_risk_follows_the_recursion(momentum, lr):
    h, steps = SPECTRUM, 20
    simulated = list(second_moments(SGD(lr, momentum=momentum), h, h, 4, steps, replicas=1000))
    expected = list(islice(recursion(h, h, lr, momentum, batch_size=4), steps))
    for t in (0, 1, 4, 19):
        assert_allclose(h @ simulated[t] / 2, h @ expected[t] / 2, rtol=0.02)


@pytest.mark.parametrize(
    "momentum, lrs, steps",
    [
        (0.0, np.geomspace(1e-3, 1.95, 48), [32563, 8055, 2063, 537, 172, 94, 83, 72]),
        (0.9, np.geomspace(1e-4, 3.7, 56), [32351, 8005, 1999, 496, 111, 52, 46, 45]),
    ],
    ids=["SGD", "heavy ball"],
)
def test_steps_to_target_at_every_batch_size(momentum, lrs, steps):
    """Steps until the risk is 0.01 at the best learning rate, d = 100, h = c = 1/i, θ_0 = 1."""
    target = 0.01
    for batch_size, expected in zip(BATCH_SIZES, steps, strict=True):
        # at rest the noise alone is a risk of lr / (4 B (1 − μ)) · Σ 1/i or more: larger rates are too loud
        quiet = lrs[lrs <= 4 * batch_size * target * (1 - momentum) / SPECTRUM.sum()]
        responses, risk, t = Responses(SPECTRUM, quiet, momentum), np.inf, 0
        while risk > target and t <= expected:
            responses.step()
            from_start = responses.phi**2 @ SPECTRUM
            from_noise = responses.sum_k2 @ SPECTRUM**2 / batch_size
            risk, t = (from_start + from_noise).min() / 2, t + 1
        assert t == expected and risk <= target
