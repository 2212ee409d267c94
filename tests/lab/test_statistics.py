from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.lab.statistics import intervals, mean_draws, mean_interval, percentiles

INF = math.inf


def test_percentiles_never_mix_elements():
    low, high = percentiles(np.array([1.0, 2, INF, INF]), level=0.5)
    assert (low, high) == (1, INF)
    low, high = percentiles(np.arange(1001.0)[::-1])
    assert (low, high) == (25, 975)


def test_intervals_are_those_of_the_columns():
    sample = np.stack([np.arange(1001.0), np.full(1001, 3.0)], axis=1)
    assert intervals(sample) == [(25.0, 975.0), (3.0, 3.0)]


@pytest.mark.parametrize("seeds", [2, 3, 5, 8])
def test_interval_of_a_mean_covers_at_its_level(seeds):
    rng = np.random.default_rng(seeds)
    covered = 0
    for values in rng.normal(3.0, 2.0, (2000, seeds)):
        low, high = mean_interval(values)
        covered += low <= 3.0 <= high
    assert 0.935 < covered / 2000 < 0.965


def test_one_value_bounds_nothing():
    assert mean_interval(np.array([3.0])) == (-math.inf, math.inf)


@pytest.mark.parametrize("seeds", [2, 3, 5, 8])
def test_draws_have_the_t_interval_of_every_mean_and_of_every_difference(seeds):
    rng = np.random.default_rng(seeds)
    shared = rng.normal(size=seeds)
    y = np.array([shared, 0.5 * rng.normal(size=seeds) + shared, rng.normal(size=seeds)])
    draws = mean_draws(y, rng, 200_000)
    assert draws.shape == (200_000, 3)
    for sample, values in ((draws[:, 0], y[0]), (draws[:, 1] - draws[:, 0], y[1] - y[0])):
        low, high = mean_interval(values, 0.8)
        assert_allclose(np.quantile(sample, [0.1, 0.9]), [low, high], rtol=0, atol=0.02 * (high - low))
