"""LARS and LAMB against loops written from the papers, tensor by tensor."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.nn.layout import Layout
from minisgd.optim import LAMB, LARS
from tests.optim.optimizer_table import LAYOUT, bench, slope, vector

STEPS = 50


def start() -> np.ndarray:
    w = np.random.default_rng(3).normal(size=LAYOUT.size)
    LAYOUT.segments[3].view(w)[...] = 0.0  # a weight that starts at zero
    return w


def lars(w, lr, momentum, eta, beta):
    v = {s.name: 0.0 for s in LAYOUT}
    w = {s.name: s.view(w).copy() for s in LAYOUT}
    for t in range(STEPS):
        g = slope(np.concatenate([x.ravel() for x in w.values()]), t)
        for s in LAYOUT:
            gs, ws = s.view(g), w[s.name]
            rate = 1.0
            if s.kind == "weight" and np.linalg.norm(ws) > 0 and np.linalg.norm(gs) > 0:
                rate = eta * np.linalg.norm(ws) / (np.linalg.norm(gs) + beta * np.linalg.norm(ws))
            v[s.name] = momentum * v[s.name] + lr * rate * (gs + beta * ws)
            w[s.name] = ws - v[s.name]
    return np.concatenate([x.ravel() for x in w.values()])


def lamb(w, lr, beta1, beta2, eps, decay):
    m = {s.name: 0.0 for s in LAYOUT}
    v = {s.name: 0.0 for s in LAYOUT}
    w = {s.name: s.view(w).copy() for s in LAYOUT}
    for t in range(STEPS):
        g = slope(np.concatenate([x.ravel() for x in w.values()]), t)
        for s in LAYOUT:
            gs, ws = s.view(g), w[s.name]
            m[s.name] = beta1 * m[s.name] + (1 - beta1) * gs
            v[s.name] = beta2 * v[s.name] + (1 - beta2) * gs**2
            m_hat, v_hat = m[s.name] / (1 - beta1 ** (t + 1)), v[s.name] / (1 - beta2 ** (t + 1))
            u = m_hat / (np.sqrt(v_hat) + eps) + decay * ws
            rate = 1.0
            if s.kind == "weight" and np.linalg.norm(ws) > 0 and np.linalg.norm(u) > 0:
                rate = np.linalg.norm(ws) / np.linalg.norm(u)
            w[s.name] = ws - lr * rate * u
    return np.concatenate([x.ravel() for x in w.values()])


def train(optimizer) -> np.ndarray:
    b = bench(optimizer)
    b.w[:] = start()
    for t in range(STEPS):
        b.g[:] = slope(b.w, t)
        b.program.replay()
    return b.w


@pytest.mark.parametrize("momentum, eta, beta", [(0.9, 0.001, 0.0), (0.9, 0.01, 0.1), (0.0, 0.02, 0.05)])
def test_lars_is_algorithm_1(momentum, eta, beta):
    w = train(LARS(0.1, momentum=momentum, trust=eta, weight_decay=beta))
    assert_allclose(w, lars(start(), 0.1, momentum, eta, beta), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_lamb_is_algorithm_2(decay):
    w = train(LAMB(0.01, weight_decay=decay))
    assert_allclose(w, lamb(start(), 0.01, 0.9, 0.999, 1e-6, decay), rtol=1e-9, atol=1e-12)


def test_lars_ratio_of_a_right_triangle():
    """η|w| / |g| = 0.001 · 5 / 10 = 5e-4"""
    b = bench(LARS(1.0, momentum=0.0, trust=0.001), vector(2))
    b.w[:], b.g[:] = (3.0, 4.0), (0.0, 10.0)
    b.program.replay()
    assert_allclose(b.buffers.rates["trust"], 5e-4, rtol=1e-14)
    assert_allclose(b.w, [3.0, 4.0 - 5e-3], rtol=1e-14)


def test_lamb_moves_by_the_learning_rate_times_the_norm():
    b = bench(LAMB(0.1, weight_decay=0.0), vector(2))
    b.w[:], b.g[:] = (3.0, 4.0), (0.0, 10.0)
    b.program.replay()
    assert_allclose(np.linalg.norm(b.w - (3.0, 4.0)), 0.1 * 5, rtol=1e-12)


@pytest.mark.parametrize("optimizer", [LARS(0.1, momentum=0.0), LAMB(0.1, weight_decay=0.0)])
def test_a_zero_norm_means_ratio_one(optimizer):
    b = bench(optimizer, vector(2), lead=(2,))
    b.g[0] = (3.0, -3.0)  # replica 0: |w| = 0; replica 1: |g| = 0
    b.w[1] = (1.0, 1.0)
    b.program.replay()
    assert_array_equal(b.buffers.rates["trust"], 1.0)
    step = (-0.3, 0.3) if isinstance(optimizer, LARS) else (-0.1, 0.1)
    assert_allclose(b.w, [step, (1.0, 1.0)], rtol=1e-5)


@pytest.mark.parametrize("optimizer", [LARS(0.1), LAMB(0.1)])
def test_one_nan_spoils_its_tensor_and_no_other(optimizer):
    b = bench(optimizer, Layout([("a", (3,), "weight"), ("b", (3,), "weight")]))
    b.w[:] = b.g[:] = 1.0
    b.g[1] = np.nan
    b.program.replay()
    assert np.isnan(b.w[:3]).all() and np.isfinite(b.w[3:]).all()


def test_biases_and_scales_take_the_plain_step():
    b = bench(LARS(0.1, momentum=0.0), Layout([("b", (2,), "bias"), ("scale", (2,), "norm")]))
    b.w[:], b.g[:] = 1.0, 2.0
    b.program.replay()
    assert_allclose(b.w, 0.8)
