"""The surge law: where steps take the sign of the gradient, the best learning rate rises with the batch, and falls.

lr*(B) = lr_max / [½ (√(B_n/B) + √(B/B_n))], that is log lr* = log lr_max − log cosh(½ (log B − log B_n)): it grows as
√B up to the peak at B_n, and falls as 1/√B beyond (Li et al. 2024, arXiv 2405.14578). Adam, AdamW and Lion step by
about the sign as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minisgd.lab import words
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.fit import Profile
from minisgd.optim import Adam, AdamW, Lion, Optimizer, SignSGD
from minisgd.typing import HostArray

SIGN_LIKE = (Adam, AdamW, SignSGD, Lion)

FEWEST = 4
"""Batch sizes with a best learning rate inside their grid, or nothing can be said: two would fit any law."""


@dataclass(frozen=True)
class Surge:
    """Where the best learning rate peaks by the surge law.

    Attributes:
        peak: B_n, the batch size at which lr* is highest; None without enough batch sizes.
        low: Lower end of its 95% interval, by the likelihood profile; 0 where it is not bounded.
        high: Upper end; infinite where it is not bounded.
        found: "rises and falls", "rises" or "not decided".
        largest: The largest batch size with a best learning rate.
    """

    peak: float | None
    low: float
    high: float
    found: str
    largest: int

    def __str__(self) -> str:
        law = "The surge law of sign-like methods (Li et al. 2024: the best learning rate rises, peaks and falls)"
        if self.peak is None:
            return f"{law} is not decided: it needs {FEWEST} batch sizes whose best learning rate is inside its grid."
        where = f"{words.size(self.peak)} (95% interval {words.interval(self.low, self.high, words.size)})"
        if self.found == "rises and falls":
            return f"{law} holds here: the peak is at batch size {where}, and no straight line in logarithms fits."
        if self.found == "rises":
            return f"{law} has its peak beyond the batch sizes tried: at {where}, and {self.largest} is the largest."
        return f"{law} is not decided: fitted to these batch sizes the peak is at {where}."


def surge_law(batches: Sequence[BatchResult]) -> Surge:
    """Fit the surge law to the best learning rates of a study, and say whether they rise and fall.

    They do where the peak is surely inside the batch sizes tried, and a power law fits worse than any surge law of the
    interval.
    """
    known = [(b.batch_size, lr) for b in batches if (lr := best_rate(b)) is not None]
    if len(known) < FEWEST:
        return Surge(None, 0.0, math.inf, "not decided", batches[-1].batch_size if batches else 0)
    sizes, logs = np.array([b for b, _ in known], float), np.log([lr for _, lr in known])
    profile = Profile(sizes, logs, shape)
    low, high = profile.ends
    x = np.log(sizes)
    line = float(np.square(logs - np.polyval(np.polyfit(x, logs, 1), x)).sum())
    inside = x[0] < low and high < x[-1]
    found = "rises and falls" if inside and line > profile.limit else "rises" if low > x[-1] else "not decided"
    return Surge(math.exp(profile.best), *profile.interval, found, known[-1][0])


def best_rate(batch: BatchResult) -> float | None:
    """Return lr*, the lowest point of a parabola through log steps at the best rate and its neighbours, over log lr.

    None where the target was not reached, or the best rate or a neighbour is missing: nothing is known beyond an edge.
    """
    rows = batch.lr_grid
    best = next(k for k, row in enumerate(rows) if row.lr == batch.lr)
    near = rows[max(best - 1, 0) : best + 2]
    if len(near) < 3 or batch.lr_on_edge or not all(math.isfinite(row.median_steps) for row in near):
        return None if batch.lr_on_edge or not batch.reached else batch.lr
    x, y = np.log([row.lr for row in near]), np.log([row.median_steps for row in near])
    bend, slope, _ = np.polyfit(x - x[1], y, 2)
    shift = -slope / (2 * bend) if bend > 0 else 0.0
    return float(np.exp(x[1] + np.clip(shift, (x[0] - x[1]) / 2, (x[2] - x[1]) / 2)))


def shape(theta: HostArray, sizes: HostArray) -> HostArray:
    """−log cosh(½ (log B − θ)), θ = log B_n.  theta (…, 1), sizes (K,) to (…, K)"""
    half = np.abs(np.log(sizes) - theta) / 2
    return np.asarray(math.log(2) - half - np.log1p(np.exp(-2 * half)))


def is_sign_like(optimizer: Optimizer) -> bool:
    """Tell whether an optimizer steps by about the sign of the gradient."""
    return type(optimizer) in SIGN_LIKE  # Muon is an AdamW only of its vectors
