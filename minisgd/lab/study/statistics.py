"""Medians, intervals and choices over runs of which some never reached the target.

A run that never reached it is *censored*: it took more steps than it was given. It counts as infinity,
never dropped; dropping the failures would make a batch size look better the more often it fails. Medians
and percentiles only need order, so infinity is as good a number as any.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.lab.statistics import percentiles
from minisgd.typing import Generator, HostArray


@dataclass(frozen=True)
class CensoredMedian:
    """A median over seeds with its bootstrap interval; infinite where the target was out of reach."""

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
    steps: Sequence[float] | HostArray,
    values: Sequence[float] | HostArray,
    target: float,
    direction: Literal["up", "down"],
) -> float:
    """Return the step at which a metric first met its target, between evaluations; infinity if never.

    The metric rises ("up": value ≥ target) or falls ("down": value ≤ target). Between the last evaluation
    that missed and the first that met it, it is taken as a straight line, so that steps to target do not
    come in multiples of the evaluation interval. The first crossing counts, whether or not the metric later
    falls back. steps, values (T,).
    """
    if direction not in ("up", "down"):
        raise ArgumentError(
            "direction",
            expected='"up" or "down"',
            got=direction,
            fix='use "up" for accuracy, "down" for loss',
        )
    at, metric = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    met = metric >= target if direction == "up" else metric <= target
    if not met.any():
        return math.inf
    i = int(met.argmax())
    if i == 0 or not np.isfinite(metric[i - 1]):
        return float(at[i])
    fraction = (target - metric[i - 1]) / (metric[i] - metric[i - 1])
    return float(at[i - 1] + fraction * (at[i] - at[i - 1]))


def censored_median(
    values: Sequence[float] | HostArray, rng: Generator, n: int = 1000, level: float = 0.95
) -> CensoredMedian:
    """Return the median over seeds (S,), infinite if censored, and the interval of n resamples of them."""
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or row.size == 0:
        raise ArgumentError("values", expected="one number for every seed", got=values, fix="run at least one seed")
    row = np.where(np.isfinite(row), row, np.inf)
    low, high = percentiles(resample_medians(row[None], rng, n)[:, 0], level)
    reached = int(np.isfinite(row).sum())
    return CensoredMedian(float(np.median(row)), float(low), float(high), reached, row.size - reached)


def resample_medians(table: HostArray, rng: Generator, n: int = 1000) -> HostArray:
    """Draw the seeds n times with replacement, the same draw for every row, and give the medians.

    Row by row the same seed means the same initial weights, so rows are resampled together (paired).
    table (K, S) to (n, K).
    """
    draws = rng.integers(table.shape[1], size=(n, table.shape[1]))  # (n, S)
    return np.asarray(np.median(table[:, draws], axis=2).T)


def best_learning_rate(lrs: Sequence[float] | HostArray, steps: HostArray, loss: HostArray) -> BestLearningRate:
    """Choose the learning rate that reached the target with most seeds, then in the fewest median steps.

    Where none reached it at all, the lowest median loss decides. The usable range runs from the chosen one
    to both sides for as long as the median stays within twice the best. lrs (L,) ascending; steps, loss (L,
    S), not finite where a run never reached the target or diverged.
    """
    grid = np.asarray(lrs, dtype=np.float64)
    if grid.ndim != 1 or grid.size == 0 or (np.diff(grid) <= 0).any() or (grid <= 0).any():
        raise ArgumentError("lrs", expected="positive learning rates in ascending order", got=lrs, fix="sort the grid")
    table = np.where(np.isfinite(steps), steps, np.inf)
    medians, reached = np.median(table, axis=1), np.isfinite(table).sum(axis=1)
    losses = np.median(np.where(np.isfinite(loss), loss, np.inf), axis=1)
    best = int(np.lexsort((losses, medians, -reached))[0])  # last key first
    first = last = best
    if np.isfinite(medians[best]):
        usable = medians <= 2 * medians[best]
        while first > 0 and usable[first - 1]:
            first -= 1
        while last < len(grid) - 1 and usable[last + 1]:
            last += 1
    on_edge = best in (0, len(grid) - 1)
    return BestLearningRate(best, float(grid[best]), on_edge, float(grid[first]), float(grid[last]))
