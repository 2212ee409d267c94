"""Fit the curve of a study: steps to target, S(B) = Smin + Emin/B.

Shallue et al. 2019 (section 4), Golmant et al. 2018 and McCandlish et al. 2018 (section 2.3). The critical
batch size Bcrit = Emin/Smin is where the two terms of S are equal: there a run takes twice the fewest
possible steps and twice the fewest possible examples. Well below it doubling B halves the steps; well above
it doubling B buys nothing.

Shapes: K batch sizes, R bootstrap replicates, S seeds, G grid points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.lab.statistics import percentiles
from minisgd.lab.study.statistics import resample_medians
from minisgd.lab.timing.fit import positive_sizes
from minisgd.typing import Generator, HostArray

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
class BootstrapFit:
    """The fit to the medians, and what resampling the seeds does to it.

    `fit` is None where it cannot be made, and `reason` then says why. The interval of b_crit may reach 0 or
    infinity. `band_low` and `band_high` bound S(B) at the batch sizes `band_at`, all (G,).
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


def bootstrap_fit(
    batch_sizes: Sequence[int] | HostArray,
    steps_by_seed: HostArray,
    rng: Generator,
    n: int = 1000,
    level: float = 0.95,
) -> BootstrapFit:
    """Fit the medians over seeds, then again for n resamples of the seeds, paired across batch sizes.

    batch_sizes (K,); steps_by_seed (K, S), not finite where a run never reached the target. A batch size
    whose median is unreached has no steps to fit and is left out; so it is in every replicate.
    """
    sizes = positive_sizes(batch_sizes)
    table = np.where(np.isfinite(steps_by_seed), steps_by_seed, np.inf)
    if table.ndim != 2 or len(table) != len(sizes):
        raise ArgumentError(
            "steps_by_seed",
            expected=f"of shape ({len(sizes)}, seeds)",
            got=np.shape(steps_by_seed),
            fix="give a row for every batch size and a column for every seed",
        )
    at = np.geomspace(sizes.min(), sizes.max(), 60) if len(sizes) else sizes
    fit = fit_steps(sizes, np.median(table, axis=1))
    if fit is None:
        usable = int(np.isfinite(np.median(table, axis=1)).sum())
        reason = f"the curve needs three batch sizes that reached the target, and {usable} did"
        return BootstrapFit(None, 0.0, math.inf, at, np.zeros_like(at), np.full_like(at, np.inf), reason)
    medians = resample_medians(table, rng, n)  # (R, K)
    medians = medians[np.isfinite(medians).sum(axis=1) >= 3]
    if len(medians) == 0:
        medians = np.median(table, axis=1)[None]
    s_min, e_min, _ = _fit_rows(sizes, _log_steps(sizes, medians))
    b_crit = np.divide(e_min, s_min, out=np.full_like(e_min, np.inf), where=s_min > 0)
    low, high = percentiles(b_crit, level)
    band_low, band_high = percentiles(s_min[:, None] + e_min[:, None] / at, level)
    return BootstrapFit(fit, float(low), float(high), at, band_low, band_high, "")


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
        raise ArgumentError(
            "steps",
            expected=f"{len(sizes)} positive numbers",
            got=steps,
            fix="give infinity where the target was not reached",
        )
    return np.asarray(np.log(s))
