"""signSGD and Lion by hand."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.optim import Lion, Optimizer, SignSGD
from tests.optim.optimizer_table import bench, slope, vector


def sign_step(w, m, g, o):
    m = o.momentum * m + (1 - o.momentum) * g
    return (1 - o.lr * o.weight_decay) * w - o.lr * np.sign(m), m


def lion_step(w, m, g, o):
    beta1, beta2 = o.betas
    w = (1 - o.lr * o.weight_decay) * w - o.lr * np.sign(beta1 * m + (1 - beta1) * g)
    return w, beta2 * m + (1 - beta2) * g


@pytest.mark.parametrize(
    ("optimizer", "formula"),
    [
        (SignSGD(0.01), sign_step),
        (SignSGD(0.02, momentum=0.9, weight_decay=0.1), sign_step),
        (Lion(0.01, weight_decay=0.3), lion_step),
        (Lion(0.01, betas=(0.0, 0.5)), lion_step),
    ],
    ids=lambda value: value.describe() if isinstance(value, Optimizer) else "",
)
def test_fifty_steps_are_the_papers(optimizer, formula):
    b = bench(optimizer, vector(20))
    b.w[:] = np.random.default_rng(3).normal(size=20)
    w, m = b.w.copy(), np.zeros(20)
    for t in range(50):
        b.g[:] = slope(b.w, t)
        b.program.replay()
        w, m = formula(w, m, slope(w, t), optimizer)
    assert_allclose(b.w, w, rtol=1e-12)


def test_no_gradient_is_no_step():
    b = bench(SignSGD(0.1), vector(3))
    b.g[:] = [-2.0, 0.0, 1e-30]
    b.program.replay()
    assert_allclose(b.w, [0.1, 0.0, -0.1])


def test_the_mean_sign_of_a_batch_is_the_error_function():
    """E sign(ḡ) = erf(μ √(B/2) / σ) for Gaussian gradients (Li et al. 2024, section 2)."""
    mean, sigma, batch, n = 0.1, 1.0, 32, 200_000
    b = bench(SignSGD(1.0), vector(n))
    b.g[:] = np.random.default_rng(4).normal(mean, sigma / sqrt(batch), size=n)
    b.program.replay()
    expected = erf(mean * sqrt(batch / 2) / sigma)
    assert abs(-b.w.mean() - expected) < 4 * sqrt((1 - expected**2) / n)
