"""Effect sizes with intervals that hold their level from two seeds on, by Student's t on what is paired.

The same seed means the same initial weights, so differences, log-ratios and slopes are taken seed by seed; their mean
has a t interval with S − 1 degrees of freedom, exact where they are normal. What follows from many means at once (a
critical batch size, the best of several learning rates) is drawn from their joint t. A training run that never reached
its target took infinitely many steps: it is never dropped, and opens the interval on its side.

Shapes: K batch sizes, S seeds (or visits of a clock), D draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.lab.statistics import mean_draws, percentiles
from minisgd.lab.student import t_distribution, t_quantile
from minisgd.typing import Generator, HostArray

DRAWS = 1000
"""Draws of the means: the ends of a 95% interval then rest on 25 draws each."""

MANY = 1000.0
"""Degrees of freedom at which t is as good as normal."""

RESOLVED = math.log(1e6)
"""A ratio beyond a million, or below a millionth, is not resolved: it counts as infinite, or zero."""


@dataclass(frozen=True)
class Estimate:
    """A number, its 95% interval, and the 90% interval that one-sided tests at 5% look at.

    df: degrees of freedom of the t that goes through these ends, for levels in between and beyond
    """

    value: float
    low: float
    high: float
    low90: float
    high90: float
    df: float = MANY

    @classmethod
    def exact(cls, value: float) -> Estimate:
        """Take a number that was counted, not sampled."""
        return cls(value, value, value, value, value)

    @classmethod
    def of(cls, value: float, sample: HostArray, df: float) -> Estimate:
        """Take the intervals from draws (D,); a draw that is not a number counts as the value itself."""
        sample = np.where(np.isnan(sample), value, sample)
        (low, high), (low90, high90) = percentiles(sample, 0.95), percentiles(sample, 0.90)
        return cls(value, float(low), float(high), float(low90), float(high90), df)

    @classmethod
    def mean(cls, values: HostArray, comparisons: int = 1) -> Estimate:
        """Estimate the mean of paired values (S,) by t; one alone bounds nothing.

        An infinite value opens the interval on its side; the other end then comes from the finite ones, which is too
        cautious an end if anything. A pair of which neither got there says nothing of their ratio: it is no number,
        and left out, unless most are.
        comparisons: among which this one was chosen for being extreme, for the 95% interval (Bonferroni)
        """
        d = np.asarray(values, float)
        if not len(d):
            raise ArgumentError("seeds", expected="at least one", got=0, fix="train with at least 2")
        if 2 * np.count_nonzero(np.isnan(d)) >= len(d):
            return cls.unbounded(math.nan)
        d = d[~np.isnan(d)]
        known = d[np.isfinite(d)]
        value = float(known.mean()) if 2 * len(known) > len(d) else float(np.median(d))
        if len(d) > 1 and math.isinf(value) and not len(known) and np.ptp(np.sign(d)) == 0:
            return cls.exact(value)  # all of them without end on one side
        if len(known) < 2:
            return cls.unbounded(value)
        df, error = len(known) - 1, float(known.std(ddof=1)) / math.sqrt(len(known))
        half, half90 = (t_quantile(p, df) * error for p in (1 - 0.025 / comparisons, 0.95))
        mean = float(known.mean())
        low, low90 = (-math.inf if (d == -math.inf).any() else mean - h for h in (half, half90))
        high, high90 = (math.inf if (d == math.inf).any() else mean + h for h in (half, half90))
        return cls(value, low, high, low90, high90, df)

    @classmethod
    def unbounded(cls, value: float) -> Estimate:
        """Take a number of which nothing more is known."""
        return cls(value, -math.inf, math.inf, -math.inf, math.inf, 1.0)

    def within(self, margin: float) -> bool:
        """Return whether the effect is practically zero: TOST, that is the 90% interval inside ±margin."""
        return -margin < self.low90 and self.high90 < margin

    def below(self, x: float) -> float:
        """Return the confidence that the effect is below x: the one-sided p-value of its being above."""
        if math.isnan(self.value):
            return 0.5
        if self.low == self.high:
            return float(self.value < x)
        if math.isinf(self.value):  # nothing is known of the tail but where it ends
            return 0.025 if x < self.low else 0.975 if x > self.high else 0.5
        scale = self._scale(self.low if x < self.value else self.high)
        if scale == 0:
            return float(self.value < x)
        return 0.5 if math.isinf(scale) else t_distribution((x - self.value) / scale, self.df)

    def plus(self, other: Estimate) -> Estimate:
        """Add an independent estimate: errors add in squares, and so are their t quantiles weighed (Cochran 1964).

        Welch's degrees of freedom cover 92% with two seeds, this at least 95%.
        """
        df = min(self.df, other.df)

        def half(p: float, mine: float, others: float) -> float:
            squares = mine**2, others**2
            if not all(map(math.isfinite, squares)) or sum(squares) == 0:
                return sum(squares)
            weighed = squares[0] * t_quantile(p, self.df) + squares[1] * t_quantile(p, other.df)
            return weighed / math.sqrt(sum(squares))

        down = self._scale(self.low), other._scale(other.low)
        up = self._scale(self.high), other._scale(other.high)
        value = self.value + other.value
        low, low90 = (value - half(p, *down) for p in (0.975, 0.95))
        high, high90 = (value + half(p, *up) for p in (0.975, 0.95))
        return Estimate(value, low, high, low90, high90, df)

    def mapped(self, function: Callable[[float], float]) -> Estimate:
        """Return the estimate on another scale, by a monotone function: exp turns a log-ratio into a ratio."""
        ends = [function(x) for x in (self.low, self.high, self.low90, self.high90)]
        return Estimate(function(self.value), min(ends[:2]), max(ends[:2]), min(ends[2:]), max(ends[2:]), self.df)

    def shifted(self, by: float) -> Estimate:
        """Return the estimate of the effect plus a known number."""
        return self.mapped(lambda x: x + by)

    def _scale(self, end: float) -> float:
        return abs(end - self.value) / t_quantile(0.975, self.df) if end != self.value else 0.0


def log_ratio(a: HostArray, b: HostArray, comparisons: int = 1) -> Estimate:
    """Estimate the mean of log(a/b) over paired seeds.  a, b (S,) positive, infinite where censored."""
    if np.shape(a) != np.shape(b) or np.ndim(a) != 1:
        raise ArgumentError("b", expected=f"of shape {np.shape(a)}, paired with a", got=np.shape(b), fix="pair by seed")
    with np.errstate(invalid="ignore", divide="ignore"):  # infinity over infinity is not a number: neither got there
        return Estimate.mean(np.log(np.asarray(a, float)) - np.log(np.asarray(b, float)), comparisons)


def difference(a: HostArray, b: HostArray, comparisons: int = 1) -> Estimate:
    """Estimate the mean of a − b over paired seeds.  a, b (S,)"""
    with np.errstate(invalid="ignore"):
        return Estimate.mean(np.asarray(a, float) - np.asarray(b, float), comparisons)


def log_slope(x: Sequence[float] | HostArray, table: HostArray) -> Estimate:
    """Estimate the mean over seeds of d log y / d log x, each by least squares.  x (K,), table (K, S)

    Points that are not finite and positive are left out; with fewer than two a seed's slope is not a number.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return Estimate.mean(fit_slopes(np.log(np.asarray(x, float)), np.log(np.asarray(table, float))))


def drawn(statistic: Callable[[HostArray], HostArray], table: HostArray, rng: Generator) -> Estimate:
    """Estimate a statistic of the means over seeds, its interval by draws from their joint t.

    table (K, S); statistic: from means (D, K), infinite where a value of the row is, to numbers (D,)
    """
    known = np.asarray(np.isfinite(table).all(axis=1))
    means = np.where(known, np.where(known[:, None], table, 0.0).mean(axis=1), np.inf)
    value = float(statistic(means[None])[0])
    seeds = table.shape[1]
    if seeds < 2 or math.isnan(value):
        return Estimate.unbounded(value)
    sample = np.full((DRAWS, len(table)), np.inf)
    sample[:, known] = mean_draws(table[known], rng, DRAWS)
    return Estimate.of(value, statistic(sample), seeds - 1)


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


def ratio_of(estimate: Estimate) -> Estimate:
    """Turn a log-ratio into a ratio; beyond what is resolved it is infinite, or zero."""
    return estimate.mapped(lambda x: math.inf if x > RESOLVED else 0.0 if x < -RESOLVED else math.exp(x))


def chosen_among(estimate: Estimate, comparisons: int) -> Estimate:
    """Widen the 95% interval of an estimate that was chosen among several for being extreme (Bonferroni)."""
    wider = t_quantile(1 - 0.025 / comparisons, estimate.df) / t_quantile(0.975, estimate.df)
    low, high = (estimate.value + wider * (end - estimate.value) for end in (estimate.low, estimate.high))
    return replace(estimate, low=low, high=high)
