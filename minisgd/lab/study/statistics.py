"""Medians, intervals and choices over runs of which some never reached the target.

A run that never reached it is *censored*: it took more steps than it was given. It counts as infinity,
never dropped; dropping the failures would make a batch size look better the more often it fails. A median only needs
order, so infinity is as good a number as any.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.lab.statistics import mean_interval
from minisgd.typing import HostArray

UNBOUNDED = math.log(1e12)
"""No number of steps that could be told from infinity is larger."""


@dataclass(frozen=True)
class CensoredMedian:
    """A median over seeds, infinite where the target was out of reach, with its 95% interval.

    The interval is NaN for a single seed, which bounds nothing; its upper end is infinite if a seed was censored.
    """

    median: float
    low: float
    high: float
    reached: int
    censored: int

    def scaled(self, factor: float) -> CensoredMedian:
        """Return the interval in another unit: steps times B are examples, steps times t(B) are seconds."""
        return CensoredMedian(self.median * factor, self.low * factor, self.high * factor, self.reached, self.censored)


@dataclass(frozen=True)
class BestLearningRate:
    """The chosen learning rate, whether the grid ends there, and the range nearly as good."""

    index: int
    lr: float
    on_edge: bool
    usable_low: float
    usable_high: float

    @property
    def usable_decades(self) -> float:
        return math.log10(self.usable_high / self.usable_low)


def crossing(
    steps: Sequence[float] | HostArray, values: Sequence[float] | HostArray, target: float, rises: bool
) -> float:
    """Return the step at which a metric first met its target, between evaluations; infinity if never.

    It is met where value ≥ target if the metric rises, where value ≤ target if it falls. Between the last evaluation
    that missed and the first that met it, it is taken as a straight line, so that steps to target do not come in
    multiples of the evaluation interval. The first crossing counts, whether or not the metric later falls back.

    steps, values (T,)
    """
    at, metric = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    met = metric >= target if rises else metric <= target
    if not met.any():
        return math.inf
    i = int(met.argmax())
    if i == 0 or not np.isfinite(metric[i - 1]):
        return float(at[i])
    fraction = (target - metric[i - 1]) / (metric[i] - metric[i - 1])
    return float(at[i - 1] + fraction * (at[i] - at[i - 1]))


def censored_median(
    values: Sequence[float] | HostArray, given: Sequence[float] | HostArray | None = None, level: float = 0.95
) -> CensoredMedian:
    """Return the median over seeds (S,), infinite if censored, with the t interval of the mean of its logarithms.

    given (S,): steps that each run was given, at least which a censored one takes. The lower end counts it as taking
    no more, the upper end is then infinite. Where nothing is given it is 0.
    """
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or row.size == 0:
        raise ArgumentError("values", expected="one number for every seed", got=values, fix="run at least one seed")
    there = np.isfinite(row)
    row, reached = np.where(there, row, np.inf), int(there.sum())
    median = float(np.median(row))
    if not reached:
        return CensoredMedian(math.inf, math.inf, math.inf, 0, row.size)
    if row.size == 1:
        return CensoredMedian(median, math.nan, math.nan, 1, 0)
    low, high = 0.0, math.inf
    if reached == row.size or given is not None:
        ends = mean_interval(np.log(row if given is None else np.where(there, row, given)), level)
        low, high = math.exp(ends[0]), bounded_exp(ends[1]) if reached == row.size else math.inf
    return CensoredMedian(median, min(low, median), max(high, median), reached, row.size - reached)


def bounded_exp(log: float) -> float:
    """Return e^log, or infinity where that says no more: two seeds that differ a lot bound nothing."""
    return math.exp(log) if log < UNBOUNDED else math.inf


def best_learning_rate(
    lrs: Sequence[float] | HostArray, steps: HostArray, loss: HostArray, ran: HostArray | None = None
) -> BestLearningRate:
    """Choose the learning rate that missed the target with fewest seeds, then reached it in the fewest median steps.

    One that was tried with all seeds comes before one that was not.

    Where none reached it at all, the lowest median loss decides. The usable range runs from the chosen one
    to both sides for as long as the median stays within twice the best. lrs (L,) ascending; steps, loss (L,
    S), not finite where a run never reached the target or diverged; ran (L, S) where not every seed was tried.
    """
    grid = np.asarray(lrs, dtype=np.float64)
    if grid.ndim != 1 or grid.size == 0 or (np.diff(grid) <= 0).any() or (grid <= 0).any():
        raise ArgumentError("lrs", expected="positive learning rates in ascending order", got=lrs, fix="sort the grid")
    table = np.where(np.isfinite(steps), steps, np.inf)
    tried = np.ones(table.shape, bool) if ran is None else ran
    medians = _medians(table, tried)
    missed = (~np.isfinite(table) & tried).sum(axis=1)
    losses = _medians(np.where(np.isfinite(loss), loss, np.inf), tried)
    best = int(np.lexsort((losses, medians, missed, ~tried.all(axis=1)))[0])  # last key first
    first = last = best
    if np.isfinite(medians[best]):
        usable = medians <= 2 * medians[best]
        while first > 0 and usable[first - 1]:
            first -= 1
        while last < len(grid) - 1 and usable[last + 1]:
            last += 1
    on_edge = best in (0, len(grid) - 1)
    return BestLearningRate(best, float(grid[best]), on_edge, float(grid[first]), float(grid[last]))


def _medians(table: HostArray, tried: HostArray) -> HostArray:
    """Return the median over the seeds that were tried at each learning rate, infinite where none was.  (L, S)"""
    return np.array([np.median(row[seeds]) if seeds.any() else np.inf for row, seeds in zip(table, tried, strict=True)])
