"""Effect sizes with intervals: log-ratios and slopes over paired seeds, and tests of equivalence.

A training run that never reached its target took infinitely many steps; it is never dropped. Seeds are resampled
together across batch sizes, as the same seed means the same initial weights.

Shapes: K batch sizes, S seeds, D bootstrap draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.lab.statistics import percentiles
from minisgd.typing import Generator, HostArray

DRAWS = 2000
"""Bootstrap draws: the ends of a 95% interval then rest on 50 draws each."""


@dataclass(frozen=True)
class Estimate:
    """A number, its 95% interval, and the 90% interval that two one-sided tests at 5% look at."""

    value: float
    low: float
    high: float
    low90: float
    high90: float

    @classmethod
    def of(cls, value: float, sample: HostArray) -> Estimate:
        """Take the intervals from a bootstrap sample (D,); a draw that is not a number counts as the value itself."""
        sample = np.where(np.isnan(sample), value, sample)
        (low, high), (low90, high90) = percentiles(sample, 0.95), percentiles(sample, 0.90)
        return cls(value, float(low), float(high), float(low90), float(high90))

    def within(self, margin: float) -> bool:
        """Return whether the effect is practically zero: TOST, that is the 90% interval inside ±margin."""
        return -margin < self.low90 and self.high90 < margin

    def mapped(self, function: Callable[[float], float]) -> Estimate:
        """Return the estimate on another scale, by a monotone function: exp turns a log-ratio into a ratio."""
        ends = [function(x) for x in (self.low, self.high, self.low90, self.high90)]
        return Estimate(function(self.value), min(ends[:2]), max(ends[:2]), min(ends[2:]), max(ends[2:]))


def bootstrap(statistic: Callable[[HostArray], HostArray], seeds: int, rng: Generator) -> Estimate:
    """Estimate a statistic of the seeds and its interval.

    statistic: from seed numbers (…, S) to values (…)
    """
    if seeds < 1:
        raise ArgumentError("seeds", expected="at least one", got=seeds, fix="train with at least 5")
    value = float(statistic(np.arange(seeds)[None])[0])
    return Estimate.of(value, statistic(rng.integers(seeds, size=(DRAWS, seeds))))


def log_ratio(a: HostArray, b: HostArray, rng: Generator) -> Estimate:
    """Estimate log(median a / median b) over paired seeds.  a, b (S,) positive, infinite where censored.

    It is infinite where most of a, and minus infinite where most of b, is censored.
    """
    if np.shape(a) != np.shape(b) or np.ndim(a) != 1:
        raise ArgumentError("b", expected=f"of shape {np.shape(a)}, paired with a", got=np.shape(b), fix="pair by seed")
    return bootstrap(lambda rows: _log_ratio(np.median(a[rows], axis=-1), np.median(b[rows], axis=-1)), len(a), rng)


def difference(a: HostArray, b: HostArray, rng: Generator) -> Estimate:
    """Estimate the mean of a − b over paired seeds.  a, b (S,)"""
    d = np.asarray(a, float) - np.asarray(b, float)
    return bootstrap(lambda rows: np.asarray(d[rows].mean(axis=-1)), len(d), rng)


def log_slope(x: Sequence[float] | HostArray, table: HostArray, rng: Generator) -> Estimate:
    """Estimate d log y / d log x by least squares through the medians over seeds.  x (K,), table (K, S)

    Points that are not finite and positive are left out; with fewer than two the slope is not a number.
    """
    logs = np.log(np.asarray(x, float))

    def slope(rows: HostArray) -> HostArray:
        medians = np.median(table[:, rows], axis=-1)  # (K, D)
        return fit_slopes(logs, np.log(np.where(medians > 0, medians, np.nan)))

    return bootstrap(slope, table.shape[1], rng)


def fit_slopes(x: HostArray, y: HostArray) -> HostArray:
    """Fit a straight line to every column.  x (K,), y (K, D), NaN or infinite where unknown, to slopes (D,)."""
    known = np.isfinite(y)
    count = known.sum(axis=0)
    across = np.where(known, x[:, None], 0.0)
    x_mean = across.sum(axis=0) / np.maximum(count, 1)
    dx = np.where(known, x[:, None] - x_mean, 0.0)
    spread = np.square(dx).sum(axis=0)
    rise = (dx * np.where(known, y, 0.0)).sum(axis=0)
    return np.asarray(np.divide(rise, spread, out=np.full(spread.shape, np.nan), where=spread > 0))


def _log_ratio(a: HostArray, b: HostArray) -> HostArray:
    with np.errstate(invalid="ignore"):  # infinity over infinity is not a number: neither got there
        return np.asarray(np.log(a) - np.log(b))


def ratio_of(estimate: Estimate) -> Estimate:
    """Turn a log-ratio into a ratio."""
    return estimate.mapped(lambda x: math.exp(x) if x < 700 else math.inf)
