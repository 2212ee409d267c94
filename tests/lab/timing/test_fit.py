"""t(B) = t0 + B/r, recovered from points and from the medians of noisy ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from minisgd.errors import ArgumentError
from minisgd.lab.timing.fit import falling, fit_affine, fit_step_time


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-6, 1), st.floats(10, 1e8))
def test_step_time_line_is_recovered(t0, r):
    sizes = np.array([1, 4, 16, 64, 256, 1024]) * max(1, t0 * r / 100)
    fit = fit_step_time(sizes, t0 + sizes / r)
    assert_allclose([fit.t0, fit.r, fit.knee], [t0, r, t0 * r], rtol=1e-6)
    assert_allclose(fit.seconds(sizes), t0 + sizes / r, rtol=1e-6)


def test_small_steps_count_as_much_as_large_ones():
    sizes, t = np.array([1.0, 10_000.0]), np.array([1e-4, 1.0])
    wrong = t * [1.1, 1.0]
    assert_allclose(fit_step_time(sizes, wrong).seconds(1), 1.1e-4, rtol=1e-6)


def test_time_without_overhead_has_no_knee():
    fit = fit_step_time([1, 2, 4], [1e-3, 2.2e-3, 4.6e-3])
    assert fit.t0 == 0 and fit.knee == 0
    assert_allclose(fit.r, 909, rtol=0.05)


def test_time_that_does_not_grow_has_infinite_throughput():
    fit = fit_step_time([1, 2, 4], [1e-3, 1e-3, 0.9e-3])
    assert (fit.r, fit.knee) == (math.inf, math.inf)
    assert_allclose(fit.t0, 0.96e-3, rtol=0.02)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_affine_fit_beats_its_neighbours(seed):
    rng = np.random.default_rng(seed)
    x = np.array([1.0, 4, 16, 64, 256])
    y = (rng.uniform(0, 5) + rng.uniform(0, 0.2) * x) * np.exp(0.2 * rng.standard_normal(5)) + 1e-3
    a, b, residual = fit_affine(x, y)

    def cost(a, b):
        return np.mean(((a + b * x) / y - 1) ** 2)

    assert a >= 0 and b >= 0
    assert_allclose(residual**2, cost(a, b), rtol=1e-9, atol=1e-15)
    for da in (-1e-3, 0, 1e-3):
        for db in (-1e-4, 0, 1e-4):
            assert cost(max(a + da, 0), max(b + db, 0)) >= cost(a, b) - 1e-12


def test_one_batch_size_has_no_line():
    assert fit_step_time([32], [1e-3]) is None


@pytest.mark.parametrize("seconds", [[1e-3], [1e-3, 0.0], [1e-3, np.nan]])
def test_step_times_must_be_positive(seconds):
    with pytest.raises(ArgumentError, match="seconds"):
        fit_step_time([1, 4], seconds)


def test_times_that_fall_beyond_their_noise_are_named():
    rng = np.random.default_rng(0)
    visits = np.exp(rng.normal(np.log([700e-6, 600e-6, 960e-6, 260e-6, 6400e-6]), 0.03, (7, 5)))
    assert falling([1, 4, 16, 64, 256], visits) == [(1, 4), (16, 64)]
    noisy = np.exp(rng.normal(np.log([700e-6, 690e-6, 960e-6]), 0.3, (7, 3)))
    assert falling([1, 4, 16], noisy) == []
    assert falling([16, 4, 1], visits[:, [0, 1, 2]]) == [(1, 4)]
