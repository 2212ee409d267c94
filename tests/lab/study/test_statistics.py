from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from minisgd.errors import ArgumentError
from minisgd.lab.statistics import mean_interval
from minisgd.lab.study.statistics import (
    CensoredMedian,
    best_learning_rate,
    censored_median,
    crossing,
)

INF = math.inf


# --- crossing


def test_crossing_is_interpolated_between_evaluations():
    assert_allclose(crossing([10, 20, 30], [0.5, 0.8, 1.0], 0.9, True), 25)
    assert_allclose(crossing([10, 20, 30], [2.0, 1.0, 0.2], 0.4, False), 27.5)


def test_crossing_at_the_first_evaluation_is_that_evaluation():
    assert crossing([10, 20], [0.95, 0.99], 0.9, True) == 10


def test_crossing_exactly_on_an_evaluation():
    assert_allclose(crossing([10, 20, 30], [0.5, 0.9, 1.0], 0.9, True), 20)


def test_first_crossing_counts_even_if_the_metric_falls_back():
    assert_allclose(crossing([1, 2, 3, 4], [0.0, 1.0, 0.0, 1.0], 0.5, True), 1.5)


def test_never_crossing_is_infinite():
    assert crossing([1, 2], [0.1, 0.2], 0.9, True) == INF
    assert crossing([], [], 0.9, True) == INF
    assert crossing([1, 2], [np.nan, np.nan], 0.9, False) == INF


def test_crossing_after_a_value_that_is_not_finite():
    assert crossing([1, 2], [INF, 0.1], 0.5, False) == 2
    assert crossing([1, 2], [np.nan, 0.1], 0.5, False) == 2


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1))
def test_crossing_lies_between_the_miss_and_the_hit(values, target):
    steps = np.arange(1, len(values) + 1) * 7.0
    at = crossing(steps, values, target, True)
    hits = [i for i, v in enumerate(values) if v >= target]
    if hits:
        assert (steps[hits[0] - 1] if hits[0] else steps[0]) <= at <= steps[hits[0]]
        assert_allclose(crossing(steps, [-v for v in values], -target, False), at)
    else:
        assert at == INF


# --- intervals


def test_interval_of_equal_seeds_is_a_point():
    got = censored_median([7, 7, 7])
    assert_allclose([got.median, got.low, got.high], 7)
    assert (got.reached, got.censored) == (3, 0)


def test_a_single_seed_has_no_interval():
    got = censored_median([7])
    assert (got.median, got.reached, got.censored) == (7, 1, 0) and math.isnan(got.low) and math.isnan(got.high)


@pytest.mark.parametrize("seeds", [2, 3, 5, 8])
def test_interval_covers_at_its_level(seeds):
    rng = np.random.default_rng(seeds)
    found = [censored_median(row) for row in np.exp(rng.normal(5.0, 0.15, (2000, seeds)))]
    covered = np.mean([got.low <= math.exp(5.0) <= got.high for got in found])
    assert 0.935 < covered < 0.965


def test_censored_seeds_are_counted_and_leave_no_upper_end():
    got = censored_median([5, 6, 7, INF, np.nan], [5, 6, 7, 20, 30])
    assert (got.median, got.high, got.reached, got.censored) == (7, INF, 3, 2)
    low, _ = mean_interval(np.log([5.0, 6, 7, 20, 30]))
    assert_allclose(got.low, math.exp(low))
    assert censored_median([5, INF, INF]).median == INF and censored_median([5, INF, INF]).low == 0


def test_two_seeds_that_differ_wildly_have_no_upper_end():
    assert censored_median([1, 1e4]).high == INF


def test_interval_scales_to_other_units():
    got = CensoredMedian(10, 8, INF, 4, 1).scaled(0.5)
    assert got == CensoredMedian(5, 4, INF, 4, 1)


def test_interval_needs_a_seed():
    with pytest.raises(ArgumentError, match="values"):
        censored_median([])


# --- the best learning rate


LRS = [0.001, 0.01, 0.1, 1.0, 10.0]


def steps_of(medians):
    return np.array(medians, dtype=float)[:, None] * np.array([0.9, 1.0, 1.1])


def test_fewest_median_steps_win():
    best = best_learning_rate(LRS, steps_of([900, 150, 100, 190, INF]), np.ones((5, 3)))
    assert (best.index, best.lr, best.on_edge) == (2, 0.1, False)
    assert (best.usable_low, best.usable_high) == (0.01, 1.0)
    assert_allclose(best.usable_decades, 2)


def test_more_seeds_reached_beat_fewer_steps():
    steps = steps_of([900, 150, 100, 80, INF])
    steps[3, 2] = INF
    assert best_learning_rate(LRS, steps, np.ones((5, 3))).lr == 0.1


def test_best_at_the_end_of_the_grid_is_flagged():
    assert best_learning_rate(LRS, steps_of([100, 200, 300, 400, 500]), np.ones((5, 3))).on_edge
    assert best_learning_rate(LRS, steps_of([500, 400, 300, 200, 100]), np.ones((5, 3))).on_edge
    assert best_learning_rate([0.1], steps_of([5]), np.ones((1, 3))).on_edge


def test_diverged_neighbour_makes_the_best_interior():
    assert not best_learning_rate(LRS, steps_of([INF, INF, INF, 50, INF]), np.ones((5, 3))).on_edge


def test_usable_range_has_no_holes():
    best = best_learning_rate(LRS, steps_of([150, 500, 100, 190, INF]), np.ones((5, 3)))
    assert (best.usable_low, best.usable_high) == (0.1, 1.0)


def test_without_a_run_that_reached_it_the_lowest_loss_wins():
    loss = np.array([[3.0, 3, 3], [2, 2, 2], [1, 1, 5], [np.nan] * 3, [np.nan] * 3])
    best = best_learning_rate(LRS, np.full((5, 3), np.nan), loss)
    assert (best.lr, best.usable_decades) == (0.1, 0)


@settings(max_examples=50)
@given(st.integers(0, 1000))
def test_no_other_learning_rate_is_better(seed):
    rng = np.random.default_rng(seed)
    steps = rng.uniform(1, 100, (6, 4))
    steps[rng.random((6, 4)) < 0.3] = INF
    best = best_learning_rate(np.geomspace(0.01, 1, 6), steps, np.ones((6, 4)))
    reached, medians = np.isfinite(steps).sum(axis=1), np.median(steps, axis=1)
    for row in range(6):
        assert (reached[best.index], -medians[best.index]) >= (reached[row], -medians[row])


@pytest.mark.parametrize("lrs", [[], [0.1, 0.01], [0.0, 0.1]])
def test_learning_rates_are_positive_and_ascend(lrs):
    with pytest.raises(ArgumentError, match="lrs"):
        best_learning_rate(lrs, np.ones((len(lrs), 2)), np.ones((len(lrs), 2)))
