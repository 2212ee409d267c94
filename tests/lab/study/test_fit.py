from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from minisgd.errors import ArgumentError
from minisgd.lab.study.curves import FitResult
from minisgd.lab.study.fit import (
    critical_batch_sizes,
    fit_steps,
    fit_with_interval,
    time_optimal_batch,
)

SIZES = 4.0 ** np.arange(8)


def hyperbola(sizes, s_min=1000.0, e_min=64000.0):
    return s_min + e_min / np.asarray(sizes, dtype=float)


# --- S(B) = Smin + Emin/B


def test_known_hyperbola_is_recovered():
    fit = fit_steps(SIZES, hyperbola(SIZES))
    assert_allclose([fit.s_min, fit.e_min, fit.b_crit], [1000, 64000, 64], rtol=1e-9)
    assert_allclose(fit.steps(64), 2000, rtol=1e-9)
    assert_allclose(64 * fit.steps(64), 128000, rtol=1e-9)
    assert fit.residual < 1e-9
    assert_allclose((fit.steps(SIZES) / fit.s_min - 1) * (SIZES * fit.steps(SIZES) / fit.e_min - 1), 1, rtol=1e-9)


@settings(max_examples=200, deadline=None)
@given(
    s_min=st.floats(1, 1e6),
    b_crit=st.floats(0.02, 5e4),
    sizes=st.lists(st.integers(1, 2000), min_size=3, max_size=9, unique=True),
)
def test_any_noiseless_hyperbola_is_recovered(s_min, b_crit, sizes):
    # far outside the batch sizes tested Bcrit hangs on the last digits of the steps
    b_crit = min(max(b_crit, min(sizes) / 30), max(sizes) * 30)
    fit = fit_steps(sizes, hyperbola(sizes, s_min, s_min * b_crit))
    spread = max(sizes) / min(sizes) - 1
    assert_allclose([fit.s_min, fit.e_min], [s_min, s_min * b_crit], rtol=1e-8 * max(1, 0.1 / spread))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.floats(20, 1000))
def test_no_neighbouring_hyperbola_fits_better(seed, b_crit):
    rng = np.random.default_rng(seed)
    steps = hyperbola(SIZES, 100, 100 * b_crit) * np.exp(0.3 * rng.standard_normal(len(SIZES)))
    fit = fit_steps(SIZES, steps)

    def cost(s_min, e_min):
        return np.mean((np.log(steps) - np.log(hyperbola(SIZES, s_min, e_min))) ** 2)

    best = cost(fit.s_min, fit.e_min)
    assert_allclose(fit.residual**2, best, rtol=1e-9)
    for s_factor in (0.999, 1, 1.001):
        for e_factor in (0.999, 1, 1.001):
            assert cost(fit.s_min * s_factor, fit.e_min * e_factor) >= best * (1 - 1e-12)


@pytest.mark.parametrize(
    "steps, b_crit",
    [
        ([32563, 8055, 2063, 537, 172, 94, 83, 72], 449),
        ([32351, 8005, 1999, 496, 111, 52, 46, 45], 797),
    ],
    ids=["sgd", "momentum"],
)
def test_noisy_quadratic_model_has_its_published_critical_batch_size(steps, b_crit):
    assert_allclose(fit_steps(SIZES, steps).b_crit, b_crit, rtol=0.02)


def test_fit_ignores_the_scale_of_steps_and_batches():
    steps = hyperbola(SIZES, 70, 30000) * np.array([1.1, 0.9, 1.2, 1, 0.8, 1.1, 1, 0.95])
    one, other = fit_steps(SIZES, steps), fit_steps(SIZES * 8, steps * 5)
    assert_allclose([other.s_min, other.e_min], [5 * one.s_min, 40 * one.e_min], rtol=1e-9)


def test_perfect_scaling_leaves_the_critical_batch_size_infinite():
    fit = fit_steps(SIZES, 5000 / SIZES)
    assert (fit.s_min, fit.b_crit) == (0.0, math.inf)
    assert_allclose(fit.e_min, 5000, rtol=1e-3)


def test_plateau_leaves_the_critical_batch_size_zero():
    fit = fit_steps(SIZES, np.full(8, 80.0))
    assert (fit.e_min, fit.b_crit) == (0.0, 0.0)
    assert_allclose(fit.s_min, 80, rtol=1e-3)


def test_censored_batch_sizes_are_left_out_of_the_fit():
    steps = hyperbola(SIZES)
    steps[0] = np.inf
    assert_allclose(fit_steps(SIZES, steps).b_crit, 64, rtol=1e-9)


def test_two_batch_sizes_make_no_fit():
    assert fit_steps([1, 4], [100, 30]) is None
    assert fit_steps([1, 4, 16], [100, 30, np.inf]) is None


@pytest.mark.parametrize("steps", [[1, 2], [1, 2, 0], [1, 2, -3]])
def test_steps_must_be_positive_and_one_for_each_batch_size(steps):
    with pytest.raises(ArgumentError, match="steps"):
        fit_steps([1, 4, 16], steps)


@pytest.mark.parametrize("sizes", [[0, 4, 16], [1, 4, np.nan], [[1, 4, 16]]])
def test_batch_sizes_must_be_positive(sizes):
    with pytest.raises(ArgumentError, match="batch_sizes"):
        fit_steps(sizes, [3, 2, 1])


# --- intervals


def seeds_table(noise=0.2, seeds=5, seed=0):
    rng = np.random.default_rng(seed)
    return hyperbola(SIZES)[:, None] * np.exp(noise * rng.standard_normal((len(SIZES), seeds)))


def test_interval_holds_the_estimate_and_band_holds_the_curve():
    found = fit_with_interval(SIZES, seeds_table())
    assert found.b_crit_low < found.fit.b_crit < found.b_crit_high
    assert 20 < found.b_crit_low and found.b_crit_high < 200
    curve = found.fit.steps(found.band_at)
    assert np.all(found.band_low <= curve) and np.all(curve <= found.band_high)
    assert (found.band_at[0], found.band_at[-1]) == (SIZES[0], SIZES[-1])


def test_seeds_are_paired_across_batch_sizes():
    # a seed that is slow everywhere by the same factor moves Smin and Emin together and Bcrit not at all
    factor = np.array([0.5, 0.8, 1.0, 1.5, 3.0])
    found = fit_with_interval(SIZES, hyperbola(SIZES)[:, None] * factor)
    assert_allclose([found.b_crit_low, found.b_crit_high], 64, rtol=1e-9)
    assert found.band_high[0] > 1.4 * found.band_low[0]


@pytest.mark.parametrize(("seeds", "b_crit"), [(1, 64.0), (2, 64.0), (3, 8.0), (5, 64.0), (8, 500.0)])
def test_the_interval_covers_at_its_level(seeds, b_crit):
    """400 studies of a hyperbola whose steps scatter by 15%, and by 10% more from seed to seed."""
    rng, sizes = np.random.default_rng(seeds), 4.0 ** np.arange(7)
    true, covered = 1000 * (1 + b_crit / sizes), np.zeros(2)
    fine = np.geomspace(0.01, 1000, 100_000)
    over = fine[np.argmax(fine + b_crit > 1.2 * b_crit)]  # S(B)·B / Emin = (B + Bcrit) / Bcrit first exceeds 1.2
    for _ in range(400):
        noise = 0.15 * rng.standard_normal((7, seeds)) + 0.1 * rng.standard_normal(seeds)
        found = fit_with_interval(sizes, true[:, None] * np.exp(noise))
        low, high = found.b_crit_low, found.b_crit_high
        _, low20, high20 = FitResult(b_crit_low=low, b_crit_high=high).b_20
        covered += low <= b_crit <= high, low20 <= over <= high20
    assert np.all((covered / 400 >= 0.93) & (covered / 400 <= 0.975))


def test_a_curve_that_does_not_fit_has_a_wide_interval_however_many_seeds():
    steps = hyperbola(SIZES) * np.exp(0.3 * (-1.0) ** np.arange(len(SIZES)))
    bent, true = (fit_with_interval(SIZES, np.repeat(s[:, None], 50, axis=1)) for s in (steps, hyperbola(SIZES)))
    assert bent.b_crit_high / bent.b_crit_low > 2 > 1.001 > true.b_crit_high / true.b_crit_low


def test_critical_batch_sizes_of_many_rows_are_those_of_one_fit_each():
    rows = seeds_table(0.1).T  # (S, K)
    rows[1, :3] = math.inf
    rows[2, 2:] = math.inf  # two points are left
    found = critical_batch_sizes(SIZES, rows)
    single = [fit_steps(SIZES, row) for row in rows]
    assert single[2] is None and np.isnan(found[2])
    assert_allclose(np.delete(found, 2), [fit.b_crit for fit in single if fit is not None], rtol=1e-9)
    assert critical_batch_sizes(SIZES, 1e6 / SIZES[None])[0] == math.inf
    assert critical_batch_sizes(SIZES, np.full((1, 8), 100.0))[0] == 0


def test_more_noise_means_a_wider_interval():
    quiet, loud = (fit_with_interval(SIZES, seeds_table(noise)) for noise in (0.02, 0.4))
    assert quiet.b_crit_high / quiet.b_crit_low < 1.2 < loud.b_crit_high / loud.b_crit_low


def test_perfect_scaling_has_an_interval_open_above():
    table = (5000 / SIZES)[:, None] * np.exp(0.1 * np.random.default_rng(0).standard_normal((8, 5)))
    assert fit_with_interval(SIZES, table).b_crit_high > 100 * SIZES[-1]


@pytest.mark.parametrize("missing", [np.inf, np.nan])
def test_censored_seeds_count_as_infinitely_long(missing):
    table = seeds_table()
    table[0, :2] = missing  # the median is still reached
    table[1, :3] = missing  # and here it is not
    found = fit_with_interval(SIZES, table)
    medians = np.median(np.where(np.isfinite(table), table, np.inf), axis=1)
    assert found.fit == fit_steps(SIZES, medians)
    assert math.isfinite(found.b_crit_high)


def test_too_few_batch_sizes_say_why_there_is_no_fit():
    found = fit_with_interval([1, 4, 16], np.array([[9.0, 8], [3, 4], [np.inf, np.inf]]))
    assert found.fit is None
    assert "three batch sizes" in found.reason and "2" in found.reason
    assert (found.b_crit_low, found.b_crit_high) == (0.0, math.inf)


def test_table_must_have_a_row_for_each_batch_size():
    with pytest.raises(ArgumentError, match="steps_by_seed"):
        fit_with_interval([1, 4, 16], np.ones((2, 5)))


# --- what follows from it and from t(B) = t0 + B/r


def test_time_optimal_batch():
    assert_allclose(time_optimal_batch(1e-3, 64000, 64), 64, rtol=1e-12)
    assert time_optimal_batch(0.0, math.inf, math.inf) == 0
    assert time_optimal_batch(1e-3, 64000, math.inf) == math.inf


def test_time_optimal_batch_minimises_the_time_to_target():
    at = np.geomspace(1, 1e4, 100_001)
    seconds = hyperbola(at) * (2e-3 + at / 5000)
    assert_allclose(at[seconds.argmin()], time_optimal_batch(2e-3, 5000, 64), rtol=1e-3)
