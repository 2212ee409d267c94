"""``ms.two_phase_fit``: examples to target where the learning rate does not follow the batch, and which curve fits.

With the learning rate tuned for every batch size, small batches need the fewest examples, E → Emin. At one learning
rate, as in the stable part of warmup–stable–decay, batches below some Bmin never reach the target, for the noise that
they leave; so E falls with the batch size first, and rises later.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.lab.statistics import Interval
from minisgd.lab.student import f_quantile
from minisgd.lab.study.fit import StepsFit, fit_steps
from minisgd.lab.timing.fit import positive_sizes
from minisgd.tables import Shown
from minisgd.typing import HostArray

LEAST_SIZES = 5
"""Three parameters, and two degrees of freedom for the scatter about the curve."""

NEAREST = 1e-3
"""Bmin comes as near to the smallest batch size as this share of it."""


@dataclass(frozen=True)
class TwoPhaseFit(Shown):
    """S(B) = Smin + Emin / (B − Bmin), beside the hyperbola that it is without Bmin.

    Attributes:
        s_min: Smin, updates that no batch size saves.
        e_min: Emin.
        b_min: Bmin, below which no batch reaches the target.
        interval: Of Bmin, 95%; the smallest batch size bounds it above.
        residual: Root mean square of the log residuals.
        hyperbola: The fit with Bmin = 0.
    """

    s_min: float
    e_min: float
    b_min: float
    interval: Interval
    residual: float
    hyperbola: StepsFit

    @property
    def two_phases(self) -> bool:
        """Whether the data rule the hyperbola out: Bmin is above 0 at a level of 97.5%, one-sided."""
        return self.interval[0] > 0

    @property
    def b_opt(self) -> float:
        """The batch size with the fewest examples, Bmin + √(Bmin Emin / Smin); 0 for a hyperbola: the smaller."""
        if self.b_min == 0:
            return 0.0
        return self.b_min + math.sqrt(self.b_min * self.e_min / self.s_min) if self.s_min else math.inf

    def steps(self, batch_size: HostArray | float) -> HostArray:
        """Predict the updates to target at batch sizes above Bmin, of any shape; infinite at and below it.

        Args:
            batch_size: B.
        """
        above = np.maximum(np.asarray(batch_size, dtype=np.float64) - self.b_min, 0.0)
        with np.errstate(divide="ignore"):
            return np.asarray(np.where(above > 0, self.s_min + self.e_min / above, np.inf))

    def examples(self, batch_size: HostArray | float) -> HostArray:
        """Predict the examples to target, B · S(B).

        Args:
            batch_size: B.
        """
        return np.asarray(batch_size * self.steps(batch_size))


def two_phase_fit(batch_sizes: Sequence[int] | HostArray, steps: Sequence[float] | HostArray) -> TwoPhaseFit:
    """Fit updates to target by a curve whose examples fall and rise with the batch size, and test whether they do.

    S(B) = Smin + Emin / (B − Bmin)     E(B) = B S(B)

    As a relation of examples and updates, E(S) = Bmin S + Emin S / (S − Smin): inverse where batches are large, linear
    with slope Bmin where they are small, with a least E between. With Bmin = 0 it is (S/Smin − 1)(E/Emin − 1) = 1 of
    McCandlish et al. 2018, so the question which of them fits is one of a parameter: does the interval of Bmin, by the
    profile of the log residuals, hold 0? It holds its level for log-normal scatter, as simulations show; where the
    hyperbola is true it is ruled out in 2.5% of cases.

    The ends of the curve are those that arXiv 2601.05034 gives for warmup–stable–decay, and the least is where it has a
    parabola; it writes three pieces, whose formulas could not be checked.

    Args:
        batch_sizes: (K,) at least 5 with a target reached.
        steps: (K,) updates to target, or (K, S) of S seeds, whose medians are fitted; infinite where it was not
            reached.

    Returns:
        Both fits, and the interval of Bmin.

    Raises:
        ArgumentError: For fewer batch sizes, or steps that do not belong to them.
    """
    sizes = positive_sizes(batch_sizes)
    table = np.asarray(steps, dtype=np.float64)
    medians = np.median(table.reshape(len(table), -1), axis=1) if table.size else table
    if medians.shape != sizes.shape or not (medians > 0).all():
        fix = "give a positive number, or infinity, for every batch size"
        raise ArgumentError("steps", expected=f"{len(sizes)} rows of positive numbers", got=steps, fix=fix)
    known = np.isfinite(medians)
    sizes, medians = sizes[known], medians[known]
    if len(np.unique(sizes)) < LEAST_SIZES:
        fix = "measure more batch sizes, or lower the target"
        raise ArgumentError(
            "batch_sizes", expected=f"at least {LEAST_SIZES} that reached the target", got=len(sizes), fix=fix
        )
    return _Shifted(sizes, medians).found()


class _Shifted:
    """The hyperbola fitted to B − Bmin, as a function of Bmin.  sizes, steps (K,)"""

    def __init__(self, sizes: HostArray, steps: HostArray) -> None:
        self.sizes, self.y = sizes, steps
        self.most = float(sizes.min()) * (1 - NEAREST)

    def fit(self, b_min: float) -> StepsFit:
        found = fit_steps(self.sizes - b_min, self.y)
        assert found is not None
        return found

    def cost(self, b_min: float) -> float:
        """Return the sum of squared log residuals."""
        return len(self.sizes) * self.fit(b_min).residual ** 2

    def found(self) -> TwoPhaseFit:
        grid = [float(b) for b in self.sizes.min() * (1 - np.geomspace(1, NEAREST, 40))]  # ever closer to the size
        costs = [self.cost(b) for b in grid]
        k = int(np.argmin(costs))
        best = self._least(grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)])
        if costs[0] <= self.cost(best):
            best = 0.0
        freedom = len(self.sizes) - 3
        limit = self.cost(best) * (1 + f_quantile(0.95, freedom) / freedom)
        inside = [b for b, cost in zip(grid, costs, strict=True) if cost <= limit]
        low, high = min([best, *inside]), max([best, *inside])
        low = self._end(low, max([b for b in grid if b < low], default=0.0), limit)
        high = self._end(high, min([b for b in grid if b > high], default=self.most), limit)
        fit = self.fit(best)
        return TwoPhaseFit(fit.s_min, fit.e_min, best, (low, high), fit.residual, self.fit(0.0))

    def _least(self, low: float, high: float) -> float:
        """Return the place of the least cost between two, by golden sections."""
        share = (math.sqrt(5) - 1) / 2
        for _ in range(30):
            left, right = high - share * (high - low), low + share * (high - low)
            low, high = (low, right) if self.cost(left) <= self.cost(right) else (left, high)
        return (low + high) / 2

    def _end(self, inside: float, outside: float, limit: float) -> float:
        """Bisect between a place within the limit and the next one, which is beyond it unless there is no further."""
        if self.cost(outside) <= limit:
            return outside
        for _ in range(20):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if self.cost(middle) <= limit else (inside, middle)
        return inside
