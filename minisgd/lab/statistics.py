"""Intervals of what was measured with a few seeds, and the draws that carry their error further.

Means over S seeds are bounded by Student's t, which holds its level from two seeds on; percentiles of resampled seeds
do not (two seeds: 47%). Where what is printed is no mean but follows from several (the fastest of K batch sizes, the
ratio of two), the means are drawn from the same t.

Shapes: K quantities, S seeds, n draws.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from minisgd.lab.student import t_quantile
from minisgd.typing import Generator, HostArray

Interval: TypeAlias = tuple[float, float]
"""The two ends of an interval."""

RESAMPLES = 1000
LEVEL = 0.95


def mean_interval(values: HostArray, level: float = LEVEL) -> Interval:
    """Return the t interval of the mean of S values: ȳ ± t(S − 1)·s/√S.

    One value bounds nothing: its interval is (−∞, ∞).  values (S,)
    """
    y = np.asarray(values, dtype=np.float64)
    mean = float(y.mean())
    if len(y) < 2:
        return -math.inf, math.inf
    half = t_quantile((1 + level) / 2, len(y) - 1) * float(y.std(ddof=1)) / math.sqrt(len(y))
    return mean - half, mean + half


def mean_draws(values: HostArray, rng: Generator, n: int = RESAMPLES) -> HostArray:
    """Draw the means of K quantities, measured with the same S ≥ 2 seeds, n times from their multivariate t.

    Every mean has the t of ``mean_interval``, and any difference of two has the t of the paired differences: the
    deviations of the seeds are weighed with the same S normal numbers in every row, and one χ² scales a draw.

    values (K, S) to (n, K)
    """
    y = np.asarray(values, dtype=np.float64)
    mean, seeds = y.mean(axis=1), y.shape[1]
    weights = rng.normal(size=(n, seeds))
    weights -= weights.mean(axis=1, keepdims=True)
    scale = np.sqrt((seeds - 1) / rng.chisquare(seeds - 1, n)) / math.sqrt(seeds * (seeds - 1))
    return np.asarray(mean + (weights @ (y - mean[:, None]).T) * scale[:, None])


def noise_draws(values: HostArray, rng: Generator, n: int = RESAMPLES) -> HostArray:
    """Draw the errors of the logarithms of K positive quantities, each measured S times side by side.

    values (S, K) to (n, K)
    """
    logs = np.log(values).T
    return np.asarray(mean_draws(logs, rng, n) - logs.mean(axis=1))


def log_interval(values: HostArray) -> Interval:
    """Return the t interval of the mean logarithm of S positive values, as values; it contains their median."""
    low, high = mean_interval(np.log(values))
    median = float(np.median(values))
    return min(math.exp(low), median), max(math.exp(min(high, 700.0)), median)


def percentiles(sample: HostArray, level: float = LEVEL) -> tuple[HostArray, HostArray]:
    """Return the two ends of the central `level` of a sample along axis 0, each an element of it.

    No interpolation between elements, which may be infinite: halfway to infinity is infinity, and infinity minus
    infinity is not a number.
    """
    ordered = np.sort(sample, axis=0)
    last, tail = len(ordered) - 1, (1 - level) / 2
    return ordered[math.floor(tail * last)], ordered[math.ceil((1 - tail) * last)]


def intervals(sample: HostArray) -> list[Interval]:
    """Return the interval of every column.  sample (resamples, K)"""
    low, high = percentiles(sample)
    return list(zip(low.tolist(), high.tolist(), strict=True))
