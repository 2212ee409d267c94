"""What a study found across batch sizes: the curve of steps to target, and the line of step times."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from minisgd.lab import words

OVERHEAD = 0.2
"""Steps beyond linear scaling, Emin/B, at which Zhang et al. (2024, arXiv 2410.21676) call a batch size critical.

S(B)·B/Emin = 1 + B/Bcrit, so on the hyperbola that is 0.2 Emin/Smin exactly.
"""


EMIN_SMIN, BEYOND_LINEAR = "Emin/Smin", "20% over linear scaling"
"""Both definitions by name."""


def by_both_definitions(said: Callable[[float], str]) -> str:
    """Write a critical batch size by both definitions, which are named.  said: writes Emin/Smin times a factor"""
    return f"{EMIN_SMIN} {said(1.0)}; {BEYOND_LINEAR} {said(OVERHEAD)}"


def critical_with_interval(b_crit: float, low: float, high: float) -> str:
    """Write a critical batch size and its 95% interval by both definitions."""

    def said(factor: float) -> str:
        ends = words.interval(factor * low, factor * high, words.size)
        return f"{words.size(factor * b_crit)} (95% interval {ends})"

    return by_both_definitions(said)


@dataclass(frozen=True)
class FitResult:
    """S(B) = s_min + e_min/B and its critical batch size b_crit = e_min/s_min.

    Attributes:
        s_min: Fewest steps; None without a fit.
        e_min: Fewest examples; None without a fit.
        b_crit: 0 where every batch size is on the plateau, infinite where all scale perfectly.
        b_crit_low: Lower end of its 95% interval.
        b_crit_high: Upper end.
        residual: Root mean square of the log residuals.
        reason: Why there is no fit.
        band_at: Batch sizes at which the band bounds the curve.
        band_low: Lower bound of the steps there.
        band_high: Upper bound.
    """

    s_min: float | None = None
    e_min: float | None = None
    b_crit: float = math.inf
    b_crit_low: float = math.inf
    b_crit_high: float = math.inf
    residual: float | None = None
    reason: str = ""
    band_at: tuple[float, ...] = ()
    band_low: tuple[float, ...] = ()
    band_high: tuple[float, ...] = ()

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of b_crit."""
        return self.b_crit_low, self.b_crit_high

    @property
    def b_20(self) -> tuple[float, float, float]:
        """The batch size at which steps exceed linear scaling by 20%, and the ends of its 95% interval."""
        return OVERHEAD * self.b_crit, OVERHEAD * self.b_crit_low, OVERHEAD * self.b_crit_high

    def __str__(self) -> str:
        if self.s_min is None:
            return f"No critical batch size can be given: {self.reason}."
        if math.isinf(self.b_crit):
            return "Every batch size tested still scales perfectly, so the critical batch size lies above them all."
        if self.b_crit == 0:
            return "Every batch size tested takes about as many steps, so the critical batch size lies below them all."
        return f"Critical batch size: {critical_with_interval(self.b_crit, *self.interval)}."


@dataclass(frozen=True)
class Timing:
    """t(B) = t0_seconds + B / examples_per_second.

    Attributes:
        t0_seconds: Overhead of a step.
        examples_per_second: Throughput without overhead.
        knee: t0·r, the batch size at which both take equally long.
        time_optimal_batch: √(t0·r·Bcrit), the batch size with the shortest time to target; None without a fit.
        time_optimal_low: Lower end of its 95% interval, from the visits and the interval of Bcrit.
        time_optimal_high: Upper end.
        residual: Root mean square of the relative errors of the line.
        falling: Pairs of batch sizes of which the larger took less time a step, beyond the noise of the visits.
        cpu_share: Processor seconds per second of the clock while steps were timed; below 1 the machine was busy.
    """

    t0_seconds: float
    examples_per_second: float
    knee: float
    time_optimal_batch: float | None
    time_optimal_low: float | None = None
    time_optimal_high: float | None = None
    residual: float = 0.0
    falling: tuple[tuple[int, int], ...] = ()
    cpu_share: float | None = None
