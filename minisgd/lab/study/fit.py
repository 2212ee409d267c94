"""Fit the curve of a study: steps to target, S(B) = Smin + Emin/B.

Shallue et al. 2019 (section 4), Golmant et al. 2018 and McCandlish et al. 2018 (section 2.3). The critical
batch size Bcrit = Emin/Smin is where the two terms of S are equal: there a run takes twice the fewest
possible steps and twice the fewest possible examples. Well below it doubling B halves the steps; well above
it doubling B buys nothing.

Shapes: K batch sizes, R rows that are fitted alike, S seeds, G grid points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.lab.statistics import Interval
from minisgd.lab.student import f_quantile, t_quantile
from minisgd.lab.timing.fit import positive_sizes
from minisgd.typing import HostArray

RESOLVABLE = 1000.0
"""How far outside the tested batch sizes a critical batch size is a number; beyond, it is 0 or infinite."""


@dataclass(frozen=True)
class StepsFit:
    """S(B) = s_min + e_min / B and the root mean square of its log residuals.

    Perfect scaling at every B tested leaves s_min = 0 and b_crit infinite; a plateau at every B leaves
    e_min = 0 and b_crit = 0.
    """

    s_min: float
    e_min: float
    residual: float

    @property
    def b_crit(self) -> float:
        return self.e_min / self.s_min if self.s_min > 0 else math.inf

    def steps(self, batch_size: HostArray | float) -> HostArray:
        """Predict the steps to target at batch sizes of any shape."""
        return np.asarray(self.s_min + self.e_min / np.asarray(batch_size, dtype=np.float64))


@dataclass(frozen=True)
class FitInterval:
    """The fit to the medians, and the 95% interval of everything that is read off it.

    `fit` is None where it cannot be made, and `reason` then says why. The interval of b_crit may reach 0 or
    infinity: then the data do not bound it on that side. `band_low` and `band_high` bound S(B) at the batch sizes
    `band_at`, all (G,).
    """

    fit: StepsFit | None
    b_crit_low: float
    b_crit_high: float
    band_at: HostArray
    band_low: HostArray
    band_high: HostArray
    reason: str


def fit_steps(batch_sizes: Sequence[int] | HostArray, steps: Sequence[float] | HostArray) -> StepsFit | None:
    """Fit S(B) = Smin + Emin/B to the logarithms of the steps; None with fewer than three finite points.

    Least squares on log S weighs a 10% error alike at 70 steps and at 30,000. batch_sizes, steps (K,).
    """
    sizes = positive_sizes(batch_sizes)
    y = _log_steps(sizes, steps)[None]
    if np.isfinite(y).sum() < 3:
        return None
    s_min, e_min, residual = _fit_rows(sizes, y)
    return StepsFit(float(s_min[0]), float(e_min[0]), float(residual[0]))


def fit_with_interval(
    batch_sizes: Sequence[int] | HostArray, steps_by_seed: HostArray, level: float = 0.95
) -> FitInterval:
    """Fit the medians over seeds, and bound the curve by its likelihood profile.

    A curve belongs to the interval if Σ residual² ≤ min Σ residual² · (1 + F/ν), with F the quantile of the F
    distribution with 1 and ν = K − 2 degrees of freedom (Bates and Watts 1988, section 6.1). The scatter of the
    medians about the curve stands for all there is: seeds, the choice of learning rates, and a curve that does not
    quite fit. So the interval holds its level for any number of seeds, one included, and widens with a misfit.

    batch_sizes (K,); steps_by_seed (K, S), not finite where a run never reached the target. A batch size
    whose median is unreached has no steps to fit and is left out.
    """
    sizes = positive_sizes(batch_sizes)
    table = np.where(np.isfinite(steps_by_seed), steps_by_seed, np.inf)
    if table.ndim != 2 or len(table) != len(sizes):
        fix = "give a row for every batch size and a column for every seed"
        raise ArgumentError(
            "steps_by_seed", expected=f"of shape ({len(sizes)}, seeds)", got=np.shape(steps_by_seed), fix=fix
        )
    at = np.geomspace(sizes.min(), sizes.max(), 60) if len(sizes) else sizes
    medians = np.median(table, axis=1)
    fit = fit_steps(sizes, medians)
    if fit is None:
        usable = int(np.isfinite(medians).sum())
        reason = f"the curve needs three batch sizes that reached the target, and {usable} did"
        return FitInterval(None, 0.0, math.inf, at, np.zeros_like(at), np.full_like(at, np.inf), reason)
    known = np.isfinite(medians)
    with np.errstate(divide="ignore"):
        profile = Profile(sizes[known], np.log(medians[known]), _shape, level, np.log(fit.b_crit))
    band_low, band_high = profile.band(at, _level_error(table[known], level))
    return FitInterval(fit, *profile.interval, at, band_low, band_high, "")


class Profile:
    """The sum of squared residuals of y = c + g(B; θ) as a function of θ, and where it stays below its limit.

    sizes, y (K,); shape: g; best: the θ of the least sum, where it is known better than a grid does
    """

    def __init__(
        self,
        sizes: HostArray,
        y: HostArray,
        shape: Callable[[HostArray, HostArray], HostArray],
        level: float = 0.95,
        best: float = math.nan,
    ) -> None:
        self.sizes, self.y, self.shape = sizes, y, shape
        self.bounds = math.log(sizes.min() / RESOLVABLE), math.log(sizes.max() * RESOLVABLE)
        grid = np.linspace(*self.bounds, 400)
        self.grid = grid if math.isnan(best) else np.sort([*grid, np.clip(best, *self.bounds)])  # (G,)
        self.costs = self.cost(self.grid)
        self.best = float(self.grid[self.costs.argmin()])
        freedom = len(sizes) - 2
        self.limit = float(self.costs.min()) * (1 + f_quantile(level, freedom) / freedom)

    def cost(self, theta: HostArray) -> HostArray:
        """Return Σ (residual − mean)² at every θ: the best c is the mean.  (G,) to (G,)"""
        residual = self.y - self.shape(theta[:, None], self.sizes)  # (G, K)
        return np.asarray(np.square(residual - residual.mean(axis=1, keepdims=True)).sum(axis=1))

    @property
    def interval(self) -> Interval:
        """The interval of e^θ; 0 or infinite where it is open on that side."""
        low, high = self.ends
        return 0.0 if low <= self.bounds[0] else math.exp(low), math.inf if high >= self.bounds[1] else math.exp(high)

    @cached_property
    def ends(self) -> Interval:
        """The smallest and the largest θ of the interval; a bound where it is open on that side."""
        inside = np.flatnonzero(self.costs <= self.limit)
        return self._end(inside[0], -1), self._end(inside[-1], 1)

    def _end(self, last: int, step: int) -> float:
        """Bisect between the last point of the grid inside and the next one outside."""
        if not 0 <= last + step < len(self.grid):
            return float(self.grid[last])
        inside, outside = self.grid[last], self.grid[last + step]
        for _ in range(40):
            middle = (inside + outside) / 2
            if self.cost(np.array([middle]))[0] <= self.limit:
                inside = middle
            else:
                outside = middle
        return float(inside)

    def band(self, at: HostArray, level_error: float) -> tuple[HostArray, HostArray]:
        """Return the lowest and the highest S of all curves in the interval, at batch sizes (G,).

        level_error: by how much, in log S, the seeds leave the level of the curve open as well
        """
        theta = np.linspace(*self.ends, 200)[:, None]
        residual = self.y - self.shape(theta, self.sizes)
        centre = residual.mean(axis=1, keepdims=True) + self.shape(theta, at)  # (200, G)
        slack = np.maximum(self.limit - self.cost(theta[:, 0]), 0.0) / len(self.sizes)
        slack = np.sqrt(slack + level_error**2)[:, None]
        return np.exp((centre - slack).min(axis=0)), np.exp((centre + slack).max(axis=0))


def _level_error(table: HostArray, level: float) -> float:
    """Return the half width of the interval of a seed's mean log S: a slow seed is slow at every batch size.

    table (K, S)
    """
    complete = table[:, np.isfinite(table).all(axis=0)]
    means = np.log(complete).mean(axis=0)
    if len(means) < 2:
        return 0.0
    return float(t_quantile((1 + level) / 2, len(means) - 1) * means.std(ddof=1) / math.sqrt(len(means)))


def critical_batch_sizes(batch_sizes: Sequence[int] | HostArray, steps: HostArray) -> HostArray:
    """Return Emin/Smin of the fit to every row of steps (R, K), to (R,); NaN with fewer than three finite points."""
    sizes = positive_sizes(batch_sizes)
    y = _log_steps(sizes, steps)
    enough = np.isfinite(y).sum(axis=1) >= 3
    found = np.full(len(y), np.nan)
    s_min, e_min, _ = _fit_rows(sizes, y[enough])
    found[enough] = np.divide(e_min, s_min, out=np.full_like(e_min, np.inf), where=s_min > 0)
    return found


def time_optimal_batch(t0: float, r: float, b_crit: float) -> float:
    """Return B* = √(t0·r·Bcrit), the minimum of S(B)·t(B): few examples, and few pauses between them.

    Without overhead, or on a plateau from the start, the smallest batch is the quickest: 0.
    """
    return 0.0 if t0 == 0 or b_crit == 0 else math.sqrt(t0 * r * b_crit)


def _fit_rows(sizes: HostArray, y: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """Fit every row of y = log S (R, K), not finite where there is none: Smin, Emin, residual, all (R,).

    log S = log Emin + g(B; θ), g = log(1/Bcrit + 1/B), θ = log Bcrit: for a given θ the best log Emin is a
    mean, so the fit is a search over θ alone (variable projection, Golub & Pereyra 1973). A grid over θ
    finds the valley, which no starting point can miss; bisecting the derivative finds its floor to the last
    bit.
    """
    used = np.isfinite(y)
    y = np.where(used, y, 0.0)
    count = used.sum(axis=1)
    bounds = np.log(sizes.min() / RESOLVABLE), np.log(sizes.max() * RESOLVABLE)
    grid = np.linspace(*bounds, 300)  # (G,) of θ
    g = _shape(grid[:, None], sizes)  # (G, K)
    mean = ((used * y).sum(axis=1)[:, None] - used @ g.T) / count[:, None]  # (R, G), the best log Emin
    cost = (used * y**2).sum(axis=1)[:, None] - 2 * (used * y) @ g.T + used @ (g**2).T - count[:, None] * mean**2
    valley = cost.argmin(axis=1)
    low, high = grid[np.maximum(valley - 1, 0)], grid[np.minimum(valley + 1, len(grid) - 1)]
    for _ in range(60):
        theta = (low + high) / 2
        uphill = _cost_slope(theta, sizes, y, used) > 0
        low, high = np.where(uphill, low, theta), np.where(uphill, theta, high)
    theta = (low + high) / 2
    difference = y - _shape(theta[:, None], sizes)
    log_e = (used * difference).sum(axis=1) / count
    residual = np.sqrt((used * (difference - log_e[:, None]) ** 2).sum(axis=1) / count)
    margin = 1e-6
    e_min = np.where(theta > bounds[0] + margin, np.exp(log_e), 0.0)
    s_min = np.where(theta < bounds[1] - margin, np.exp(log_e - theta), 0.0)
    return s_min, e_min, residual


def _shape(theta: HostArray, sizes: HostArray) -> HostArray:
    """g(B; θ) = log(1/Bcrit + 1/B). theta (…, 1), sizes (K,) to (…, K)."""
    return np.asarray(np.log(np.exp(-theta) + 1 / sizes))


def _cost_slope(theta: HostArray, sizes: HostArray, y: HostArray, used: HostArray) -> HostArray:
    """d/dθ Σ (y − log Emin − g)² at the best log Emin: −2 Σ (residual)·g'. (R,) to (R,)."""
    difference = y - _shape(theta[:, None], sizes)
    mean = (used * difference).sum(axis=1) / used.sum(axis=1)
    slope = -1 / (1 + np.exp(theta[:, None]) / sizes)  # g' = −(1/Bcrit)/(1/Bcrit + 1/B)
    return np.asarray(-2 * (used * (difference - mean[:, None]) * slope).sum(axis=1))


def _log_steps(sizes: HostArray, steps: Sequence[float] | HostArray) -> HostArray:
    """log steps, infinite where the target was not reached; (…, K)."""
    s = np.asarray(steps, dtype=np.float64)
    if s.shape[-1:] != sizes.shape or (s <= 0).any():
        fix = "give infinity where the target was not reached"
        raise ArgumentError("steps", expected=f"{len(sizes)} positive numbers", got=steps, fix=fix)
    return np.asarray(np.log(s))
