"""Intervals of paired effects: exact cases, censored runs, and simulations of their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.errors import ArgumentError
from minisgd.lab.claims.experiments.critical import trend
from minisgd.lab.claims.experiments.to_target import TargetRuns
from minisgd.lab.claims.statistics import (
    Estimate,
    chosen_among,
    difference,
    drawn,
    fit_slopes,
    log_ratio,
    log_slope,
    ratio_of,
)
from minisgd.lab.student import t_quantile
from minisgd.lab.study.target import Target

INF = math.inf
SEEDS = pytest.mark.parametrize("seeds", [2, 3, 5, 8])


def test_log_ratio_of_a_constant_factor_has_no_spread():
    b = np.array([10.0, 14, 20, 31, 17])
    estimate = log_ratio(3 * b, b)
    assert_allclose([estimate.value, estimate.low, estimate.high], math.log(3), rtol=1e-12)
    assert_allclose(ratio_of(estimate).value, 3, rtol=1e-12)


def test_intervals_are_those_of_student():
    d = np.array([0.3, -0.1, 0.4, 0.2, 0.05])
    estimate, error = difference(d, np.zeros(5)), d.std(ddof=1) / math.sqrt(5)
    assert_allclose([estimate.low, estimate.high], d.mean() + error * np.array([-2.776445, 2.776445]), rtol=1e-6)
    assert_allclose([estimate.low90, estimate.high90], d.mean() + error * np.array([-2.131847, 2.131847]), rtol=1e-6)


# ------------------------------------------------ coverage: 4000 simulations put 95% within ±0.7 points (two s.e.)


def covered(make, truth: float, repetitions: int) -> float:
    inside = 0
    for _ in range(repetitions):
        estimate = make()
        inside += estimate.low <= truth <= estimate.high
    return inside / repetitions


@SEEDS
def test_log_ratios_differences_and_slopes_cover_at_their_level(seeds):
    rng = np.random.default_rng(seeds)
    x = np.array([4.0, 16, 64, 256])

    def runs() -> np.ndarray:  # seeds are easy or hard at every batch size
        easy = 0.3 * rng.normal(size=seeds)
        return np.exp(easy + 0.15 * rng.normal(size=(4, seeds))) * x[:, None] ** 0.5

    ratio = covered(lambda: log_ratio(*runs()[[-1, 0]]), math.log(8), 4000)
    slope = covered(lambda: log_slope(x, runs()), 0.5, 4000)
    gap = covered(lambda: difference(rng.normal(1, 1, seeds), rng.normal(0, 2, seeds)), 1.0, 4000)
    assert_allclose([ratio, slope, gap], 0.95, atol=0.02)


@SEEDS
def test_equivalence_is_claimed_of_an_effect_at_the_margin_once_in_twenty_at_most(seeds):
    rng = np.random.default_rng(seeds)
    margin = math.log(1.25)
    wrong = sum(
        log_ratio(1.25 * np.exp(s * rng.normal(size=seeds)), np.exp(s * rng.normal(size=seeds))).within(margin)
        for s in (0.02, 0.05)
        for _ in range(4000)
    )
    assert wrong / 8000 <= 0.055


@SEEDS
def test_sums_of_independent_estimates_cover_at_their_level(seeds):
    rng = np.random.default_rng(seeds)
    found = covered(
        lambda: log_ratio(np.exp(0.1 * rng.normal(size=seeds)), np.ones(seeds)).plus(
            log_ratio(2 * np.exp(0.1 * rng.normal(size=7)), np.ones(7))
        ),
        math.log(2),
        2000,
    )
    assert 0.94 < found < 0.985


def hyperbola(rng, b_crit: float, seeds: int, easy: np.ndarray) -> TargetRuns:
    """Steps at seven batch sizes with log-normal noise 0.15, half of its variance shared by a seed's training runs."""
    sizes = (4, 8, 16, 32, 64, 128, 256)
    steps = [40 * (1 + b_crit / b) * np.exp(0.106 * (easy + rng.normal(size=(1, seeds)))) for b in sizes]
    lrs = tuple(np.array([0.1]) for _ in sizes)
    return TargetRuns(
        sizes,
        lrs,
        tuple(steps),
        tuple(0 * s for s in steps),
        tuple(s > 0 for s in steps),
        1000,
        Target("val_loss", 0.1),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seeds", (2, 3, 5, 8))
def test_ratios_of_critical_batch_sizes_cover_at_their_level(seeds):
    """400 repetitions have a standard error of a point: 93% is what 95% may look like."""
    rng = np.random.default_rng(seeds)

    def make() -> Estimate:
        easy = rng.normal(size=seeds)
        return trend((0, 1), [hyperbola(rng, b, seeds, easy) for b in (32.0, 64.0)], rng)

    assert covered(make, math.log(2), 400) >= 0.93


def equally_good(rng: np.random.Generator, seeds: int, rates: int) -> TargetRuns:
    """Steps at two batch sizes, twice as many at the first, where several learning rates are as good."""
    tables = [np.exp(0.15 * rng.normal(size=(n, seeds))) * steps for n, steps in ((rates, 200.0), (1, 100.0))]
    grids = tuple(np.geomspace(0.1, 1.0, len(table)) for table in tables)
    ran = tuple(table > 0 for table in tables)
    return TargetRuns((4, 16), grids, tuple(tables), tuple(tables), ran, 1000, Target("val_loss", 0.1))


@pytest.mark.slow
@SEEDS
@pytest.mark.parametrize("rates", [1, 3])
def test_steps_at_the_best_of_several_rates_cover_at_their_level(seeds, rates):
    """1000 repetitions have a standard error of 0.7 points."""
    rng = np.random.default_rng(seeds)
    found = covered(lambda: equally_good(rng, seeds, rates).log_ratio(0, 1), math.log(2), 1000)
    assert found >= 0.93


def test_where_the_choice_is_plain_the_interval_is_that_of_the_seeds():
    rng = np.random.default_rng(0)
    runs = equally_good(rng, 5, 3)
    for k, row in enumerate(runs.steps[0]):
        row *= 4.0**k
    found, own = runs.log_ratio(0, 1), log_ratio(runs.steps[0][0], runs.steps[1][0])
    assert_allclose(list(vars(found).values()), list(vars(own).values()), rtol=1e-12)


def test_a_choice_that_hangs_on_one_seed_widens_the_interval():
    runs = equally_good(np.random.default_rng(0), 5, 2)
    runs.steps[0][0], runs.steps[0][1] = [200, 201, 202, 400, 401], [203, 204, 205, 100, 101]
    found, once = runs.log_ratio(0, 1), log_ratio(runs.steps[0][0], runs.steps[1][0])
    assert found.value == pytest.approx(once.value) and found.low < once.low and found.high > once.high


def test_a_seed_that_missed_the_target_opens_the_interval():
    runs = equally_good(np.random.default_rng(0), 5, 1)
    runs.steps[0][0, 1] = INF
    assert runs.log_ratio(0, 1).high == INF and math.isfinite(runs.log_ratio(0, 1).low)


# ------------------------------------------------ censored runs


def test_censored_runs_open_the_interval_on_their_side():
    steps = np.array([10.0, 11, 12, 13, 14])
    lost = np.array([10.0, INF, INF, INF, 14])
    assert log_ratio(lost, steps).value == INF and log_ratio(lost, steps).high == INF
    assert log_ratio(steps, lost).value == -INF and log_ratio(steps, lost).low == -INF
    neither = log_ratio(lost, lost)
    assert math.isnan(neither.value) and (neither.low, neither.high) == (-INF, INF)
    twice = np.array([10.0, INF, 12, INF, 14])
    assert math.isfinite(log_ratio(twice, 2 * twice).high)
    one = log_ratio(np.array([10.0, 11, 12, 13, INF]), steps)
    assert math.isfinite(one.value) and one.high == INF and math.isfinite(one.low)
    never = log_ratio(np.full(5, INF), steps)
    assert never.value == never.low == INF


def test_one_seed_has_no_interval():
    alone = log_ratio(np.array([3.0]), np.array([1.0]))
    assert (alone.low, alone.high) == (-INF, INF) and not alone.within(1e9)
    assert drawn(lambda means: means[:, 0], np.ones((2, 1)), np.random.default_rng(0)).high == INF


def test_unpaired_runs_are_refused():
    with pytest.raises(ArgumentError, match="pair by seed"):
        log_ratio(np.ones(5), np.ones(4))
    with pytest.raises(ArgumentError, match="at least one"):
        log_ratio(np.ones(0), np.ones(0))


def test_ratios_that_nothing_resolves_have_no_end():
    """An end of 4.97e+296 is no measurement."""
    far = ratio_of(Estimate(0.1, -683.0, 683.0, -3.0, 3.0))
    assert (far.low, far.high) == (0.0, INF)


# ------------------------------------------------ slopes, draws, p-values


def test_pairing_removes_what_seeds_share():
    hard = np.exp(np.linspace(-1, 1, 9))
    slope = log_slope([1, 10], np.stack([100 * hard, 10 * hard]))
    assert_allclose([slope.value, slope.low, slope.high], -1, rtol=1e-12)


def test_slopes_leave_out_what_is_unknown():
    x, y = np.array([0.0, 1, 2, 3]), np.array([[0.0, 1], [2, np.nan], [4, np.inf], [6, 7]])
    assert_allclose(fit_slopes(x, y), [2, 2])
    assert np.isnan(fit_slopes(x, np.where(x[:, None] > 0, np.nan, y))).all()


def test_draws_of_a_difference_have_its_t_interval():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(2, 5))
    by_draws = drawn(lambda means: means[:, 1] - means[:, 0], table, rng)
    by_t = difference(table[1], table[0])
    assert_allclose([by_draws.low90, by_draws.high90], [by_t.low90, by_t.high90], atol=0.1 * (by_t.high - by_t.low))


def test_rows_with_a_censored_run_are_infinite_in_every_draw():
    table = np.array([[1.0, 2, INF], [1, 2, 3]])
    found = drawn(lambda means: np.isinf(means[:, 0]) + 0.0, table, np.random.default_rng(0))
    assert found.low == found.high == 1


def test_p_values_belong_to_the_intervals():
    estimate = difference(np.array([3.0, 4, 5, 7]), np.ones(4))
    assert_allclose(estimate.below(estimate.low), 0.025, rtol=1e-9)
    assert_allclose(estimate.below(estimate.high90), 0.95, rtol=1e-9)
    assert Estimate.exact(1.0).below(0.5) == 0 and Estimate.exact(1.0).below(2.0) == 1


def test_what_was_chosen_for_being_extreme_has_a_wider_interval():
    d = np.array([3.0, 4, 5, 7])
    plain, chosen = difference(d, np.ones(4)), difference(d, np.ones(4), comparisons=10)
    assert chosen.low < plain.low and chosen.low90 == plain.low90
    assert_allclose(chosen_among(plain, 10).low, chosen.low)
    widened = (chosen.value - chosen.low) / (plain.value - plain.low)
    assert_allclose(widened, t_quantile(0.9975, 3) / 3.182446, rtol=1e-5)


def test_a_falling_scale_turns_the_interval_round():
    turned = Estimate(1.0, 0.5, 2.0, 0.8, 1.5).mapped(lambda x: -x)
    assert (turned.low, turned.high, turned.low90, turned.high90) == (-2.0, -0.5, -1.5, -0.8)
