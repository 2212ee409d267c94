from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.errors import ArgumentError
from minisgd.lab.claims.decision import TEN_PERCENT, side
from minisgd.lab.claims.statistics import Estimate, bootstrap, difference, fit_slopes, log_ratio, log_slope, ratio_of


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_log_ratio_of_a_constant_factor_has_no_spread():
    b = np.array([10.0, 14, 20, 31, 17])
    estimate = log_ratio(3 * b, b, rng())
    assert_allclose([estimate.value, estimate.low, estimate.high], math.log(3), rtol=1e-12)
    assert_allclose(ratio_of(estimate).value, 3, rtol=1e-12)


def test_log_ratio_covers_the_truth_in_95_of_100():
    draw, inside = np.random.default_rng(1), 0
    for trial in range(200):
        a, b = 2 * np.exp(0.2 * draw.normal(size=15)), np.exp(0.2 * draw.normal(size=15))
        estimate = log_ratio(a, b, np.random.default_rng(trial))
        inside += estimate.low <= math.log(2) <= estimate.high
    assert inside >= 180


def test_censored_runs_count_as_infinite():
    steps = np.array([10.0, 11, 12, 13, 14])
    lost = np.array([10.0, math.inf, math.inf, math.inf, 14])
    assert log_ratio(lost, steps, rng()).value == math.inf
    assert log_ratio(steps, lost, rng()).value == -math.inf
    assert math.isnan(log_ratio(lost, lost, rng()).value)
    one = np.array([10.0, 11, 12, 13, math.inf])
    assert math.isfinite(log_ratio(one, steps, rng()).value) and log_ratio(one, steps, rng()).high == math.inf


def test_unpaired_runs_are_refused():
    with pytest.raises(ArgumentError, match="pair by seed"):
        log_ratio(np.ones(5), np.ones(4), rng())
    with pytest.raises(ArgumentError, match="at least one"):
        bootstrap(lambda rows: rows.mean(axis=-1), 0, rng())


def test_pairing_removes_what_seeds_share():
    hard = np.exp(np.linspace(-1, 1, 9))
    table = np.stack([100 * hard, 10 * hard])
    slope = log_slope([1, 10], table, rng())
    assert_allclose([slope.value, slope.low, slope.high], -1, rtol=1e-12)


def test_slopes_leave_out_what_is_unknown():
    x, y = np.array([0.0, 1, 2, 3]), np.array([[0.0, 1], [2, np.nan], [4, np.inf], [6, 7]])
    assert_allclose(fit_slopes(x, y), [2, 2])
    assert np.isnan(fit_slopes(x, np.where(x[:, None] > 0, np.nan, y))).all()


def test_difference_is_of_means():
    a, b = np.array([3.0, 4, 5]), np.array([1.0, 2, 3])
    estimate = difference(a, b, rng())
    assert_allclose([estimate.value, estimate.low, estimate.high], 2)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((0.5, 0.4, 0.6), "more"),
        ((-0.5, -0.6, -0.4), "less"),
        ((0.02, -0.03, 0.05), "same"),
        ((0.02, 0.01, 0.05), "same"),
        ((0.2, -0.1, 0.6), "unclear"),
        ((0.05, 0.01, 0.2), "unclear"),
        ((math.inf, 2.0, math.inf), "more"),
        ((math.nan, math.nan, math.nan), "unclear"),
    ],
)
def test_sides(interval, expected):
    value, low, high = interval
    assert side(Estimate(value, low, high, low, high), TEN_PERCENT) == expected


def test_equivalence_looks_at_the_90_percent_interval():
    assert Estimate(0.0, -0.12, 0.12, -0.09, 0.09).within(0.1)
    assert not Estimate(0.0, -0.12, 0.12, -0.11, 0.09).within(0.1)


def test_a_falling_scale_turns_the_interval_round():
    turned = Estimate(1.0, 0.5, 2.0, 0.8, 1.5).mapped(lambda x: -x)
    assert (turned.low, turned.high, turned.low90, turned.high90) == (-2.0, -0.5, -1.5, -0.8)
