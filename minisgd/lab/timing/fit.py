"""Fit the time of a step against the batch size: t(B) = t0 + B/r.

t0 is what a step takes however small the batch, r the examples a second that the machine could do without it.
At the knee B = t0·r both take equally long: below it, larger batches are nearly free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.lab.statistics import mean_interval
from minisgd.typing import HostArray

NOTICEABLE = 0.03
"""By how much, relatively, a step time must fall to be mentioned."""


@dataclass(frozen=True)
class StepTimeFit:
    """t(B) = t0 + B / r: seconds of overhead a step, examples a second without it (or infinity)."""

    t0: float
    r: float
    residual: float

    @property
    def knee(self) -> float:
        """Return the batch size t0·r at which overhead and work take equal time."""
        return 0.0 if self.t0 == 0 else self.t0 * self.r

    def seconds(self, batch_size: HostArray | float) -> HostArray:
        """Predict the seconds of a step at batch sizes of any shape."""
        return np.asarray(self.t0 + np.asarray(batch_size, dtype=np.float64) / self.r)


def fit_step_time(batch_sizes: Sequence[int] | HostArray, seconds: Sequence[float] | HostArray) -> StepTimeFit | None:
    """Fit t(B) = t0 + B/r by least squares on relative errors; None with fewer than two batch sizes."""
    sizes, t = positive_sizes(batch_sizes), np.asarray(seconds, dtype=np.float64)
    if t.shape != sizes.shape or not (np.isfinite(t).all() and (t > 0).all()):
        fix = "measure a step at every batch size"
        raise ArgumentError("seconds", expected=f"{len(sizes)} positive finite times", got=seconds, fix=fix)
    if len(np.unique(sizes)) < 2:
        return None
    t0, per_example, residual = map(float, fit_affine(sizes, t))
    return StepTimeFit(t0, 1 / per_example if per_example > 0 else math.inf, residual)


def falling(batch_sizes: Sequence[int] | HostArray, visits: HostArray) -> list[tuple[int, int]]:
    """Return neighbouring batch sizes of which the larger takes less time, by more than the visits' noise explains.

    More examples are more work: a machine that was busy for a while, or a method that changes with the size, explains
    it. Judged by the t interval of the log ratio, paired by visit.  visits (V, K) of seconds
    """
    order, log = np.argsort(batch_sizes), np.log(visits)
    found = []
    for small, large in pairwise(order.tolist()):
        _, high = mean_interval(log[:, large] - log[:, small])
        if high < -NOTICEABLE:
            found.append((int(batch_sizes[small]), int(batch_sizes[large])))
    return found


def fit_affine(x: HostArray, y: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """Fit y = a + b·x by least squares on relative errors, a, b ≥ 0; returns a, b, relative residual, (…).

    Σ ((a + b·x)/y − 1)² is linear in (a, b); where its minimum has a negative coefficient, that one is zero.
    x (K,), y (…, K): any number of fits at once
    """
    design = np.stack([1 / y, x / y], axis=-1)  # (…, K, 2), to be matched with ones
    length = np.sqrt(np.square(design).sum(axis=-2))  # (…, 2): columns of length 1 lose nothing to rounding
    q, r = np.linalg.qr(design / length[..., None, :])
    a, b = np.moveaxis(np.linalg.solve(r, q.sum(axis=-2)[..., None])[..., 0] / length, -1, 0)
    alone = design.sum(axis=-2) / length**2  # (…, 2)
    a, b = np.where(b < 0, alone[..., 0], np.maximum(a, 0)), np.where(a < 0, alone[..., 1], np.maximum(b, 0))
    residual = np.sqrt(np.mean(np.square(design @ np.stack([a, b], axis=-1)[..., None] - 1), axis=(-2, -1)))
    return a, b, residual


def positive_sizes(batch_sizes: Sequence[int] | HostArray) -> HostArray:
    """Return batch sizes as floats, (K,), or refuse them."""
    sizes = np.asarray(batch_sizes, dtype=np.float64)
    if sizes.ndim != 1 or not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ArgumentError(
            "batch_sizes", expected="a list of positive numbers", got=batch_sizes, fix="give each batch size once"
        )
    return sizes
