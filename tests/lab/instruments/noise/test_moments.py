"""Estimates of |G|² and tr Σ: exact cases, averages over all batches, and averages over time."""

from __future__ import annotations

from itertools import combinations
from math import inf, isnan

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.errors import ArgumentError
from minisgd.lab.instruments.noise.moments import NoiseAverage, NoiseEstimate, from_squared_norms, from_two_batch_sizes


def test_two_batch_sizes() -> None:
    """|G|² = 25, tr Σ = 100: E|g_b|² = 125 at b = 1 and 50 at B′ = 4."""
    found = from_two_batch_sizes(125.0, 50.0, 1, 4)
    assert_allclose((found.grad_sq_norm, found.trace_covariance, found.b_simple), (25, 100, 4), rtol=1e-14)


@pytest.mark.parametrize("b", [1, 2, 3])
def test_without_replacement_the_average_over_all_batches_is_exact(b: int) -> None:
    """Gradients 1, 2, 3, 6: tr Σ with denominator N − 1 is 14/3 from every batch size."""
    g = np.array([1.0, 2.0, 3.0, 6.0])
    mean_sq = np.mean([np.mean(batch) ** 2 for batch in combinations(g, b)])
    assert_allclose((mean_sq - g.mean() ** 2) / (1 / b - 1 / 4), 14 / 3, rtol=1e-13)
    if b > 1:
        each = [from_squared_norms(sum(np.square(s)), sum(s) ** 2, b, population=4) for s in combinations(g, b)]
        assert_allclose(np.mean([e.trace_covariance for e in each]), 14 / 3, rtol=1e-13)
        assert_allclose(np.mean([e.grad_sq_norm for e in each]), 9, rtol=1e-13)


def test_all_examples_are_exact() -> None:
    g = np.random.default_rng(0).normal(1, 2, (9, 4))
    found = from_squared_norms(float((g**2).sum()), float((g.sum(0) ** 2).sum()), 9, population=9)
    assert_allclose(found.grad_sq_norm, (g.mean(0) ** 2).sum(), rtol=1e-13)
    assert_allclose(found.trace_covariance, g.var(0, ddof=1).sum(), rtol=1e-13)


def test_independent_draws_are_unbiased() -> None:
    """Over all pairs drawn with replacement the estimates average to the population's, with denominator N."""
    g = np.array([1.0, 2.0, 3.0, 6.0])
    each = [from_squared_norms(a * a + b * b, (a + b) ** 2, 2) for a in g for b in g]
    assert_allclose(np.mean([e.trace_covariance for e in each]), g.var(), rtol=1e-13)
    assert_allclose(np.mean([e.grad_sq_norm for e in each]), g.mean() ** 2, rtol=1e-13)


def test_a_negative_squared_norm_is_reported_and_not_clipped() -> None:
    found = from_squared_norms(2.0, 0.0, 2)
    assert_allclose((found.grad_sq_norm, found.trace_covariance), (-1, 2))
    assert isnan(found.b_simple)
    assert NoiseEstimate(0.0, 1.0).b_simple == inf


def test_examples_that_are_all_alike_have_no_noise() -> None:
    g = np.full((12, 3), 0.1)
    estimate = from_squared_norms(float(np.square(g).sum()) * (1 - 1e-15), float(np.square(g.sum(0)).sum()), 12, 12)
    assert estimate.trace_covariance == 0 and estimate.b_simple == 0


def test_averages_are_kept_apart_and_corrected_for_their_start() -> None:
    average = NoiseAverage(0.9)
    for k in range(1, 40):
        found = average.add(NoiseEstimate(1.0, 3.0))  # from the first sample on, not after a while
        assert_allclose((found.grad_sq_norm, found.trace_covariance), (1, 3), rtol=1e-12)
        assert average.samples == k
    average = NoiseAverage(0.5)
    average.add(NoiseEstimate(4.0, 8.0))
    found = average.add(NoiseEstimate(1.0, 8.0))
    assert_allclose((found.grad_sq_norm, found.b_simple), (2, 4), rtol=1e-14)  # not the mean of 2 and 8


def test_the_ratio_of_averages_is_right_where_the_average_of_ratios_is_not() -> None:
    rng, average = np.random.default_rng(0), NoiseAverage(0.999)
    ratios = []
    for _ in range(8000):
        g = rng.normal(1.0, 2.0, (6, 4))  # |G|² = 4, tr Σ = 16
        found = from_squared_norms(float((g**2).sum()), float((g.sum(0) ** 2).sum()), 6)
        mean = average.add(found)
        ratios.append(found.trace_covariance / found.grad_sq_norm)
    assert_allclose(mean.b_simple, 4, rtol=0.1)
    assert abs(np.mean(ratios) - 4) > 0.8


@pytest.mark.parametrize(
    "make, argument",
    [
        (lambda: from_squared_norms(1.0, 1.0, 1), "n"),
        (lambda: from_two_batch_sizes(1.0, 1.0, 4, 4), "small"),
        (lambda: from_two_batch_sizes(1.0, 1.0, 0, 4), "small"),
        (lambda: NoiseAverage(1.0), "decay"),
    ],
)
def test_nonsense_is_refused(make, argument) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ArgumentError, match=f"^{argument} must be .*, got .*; .+"):
        make()
