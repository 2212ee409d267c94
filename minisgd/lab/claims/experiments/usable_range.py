"""The usable range of learning rates: those that end not far from the best one of the same batch size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.experiments.fixed_budget import Endings
from minisgd.lab.claims.pictures import Axes, legend, reference
from minisgd.lab.plots import BLUE, log_axis, spread
from minisgd.typing import HostArray

WAY_BACK = 0.25
"""A rate is usable where training ends at most a quarter of the way back, in log loss, from the best to the start."""


@dataclass(frozen=True)
class UsableRange:
    """The lowest and highest usable learning rate of every training run, (K, S), between the points of the grid.

    open_low, open_high: batch sizes whose range goes on beyond the grid
    """

    batch_sizes: tuple[int, ...]
    low: HostArray
    high: HostArray
    open_low: tuple[int, ...]
    open_high: tuple[int, ...]

    @property
    def decades(self) -> HostArray:
        """Width in decades, (K, S)."""
        return np.asarray(np.log10(self.high / self.low))

    def cautions(self) -> tuple[str, ...]:
        """State where the grid cuts a range."""
        cut = sorted({*self.open_low, *self.open_high})
        where = ", ".join(map(str, cut))
        return (f"At batch size {where} the usable range goes on beyond the rates tried.",) if cut else ()


def usable_range(runs: Endings) -> UsableRange:
    """Find where the final training loss crosses its limit, on either side of the best rate of each seed.

    The loss at the start is that of the slowest training, the largest batch at the lowest rate, at its first look.
    """
    loss = runs.table("train_loss")  # (K, L, S)
    logs = np.log(np.where(np.isfinite(loss) & (loss > 0), loss, math.inf))
    start = np.log(np.median([ending.curve[0][2] for ending in runs.cells[-1][0]]))
    low, high = np.empty_like(loss[:, 0]), np.empty_like(loss[:, 0])
    for k, s in np.ndindex(low.shape):
        best = logs[k, :, s].min()
        limit = best + WAY_BACK * max(start - best, 0.0)
        low[k, s], high[k, s] = _ends(np.log(runs.learning_rates[k]), logs[k, :, s], float(limit))
    edges = runs.learning_rates[:, 0], runs.learning_rates[:, -1]
    open_low = [b for b, ends, edge in zip(runs.batch_sizes, low, edges[0], strict=True) if np.median(ends) <= edge]
    open_high = [b for b, ends, edge in zip(runs.batch_sizes, high, edges[1], strict=True) if np.median(ends) >= edge]
    return UsableRange(runs.batch_sizes, low, high, tuple(open_low), tuple(open_high))


def _ends(x: HostArray, y: HostArray, limit: float) -> tuple[float, float]:
    """Return where y(x) leaves what is below the limit, to the left and to the right of its least value.  x, y (L,)"""
    best = int(y.argmin())
    left, right = best, best
    while left > 0 and y[left - 1] <= limit:
        left -= 1
    while right < len(x) - 1 and y[right + 1] <= limit:
        right += 1
    return (
        math.exp(x[0] if left == 0 else _cross(x[left - 1], y[left - 1], x[left], y[left], limit)),
        math.exp(x[-1] if right == len(x) - 1 else _cross(x[right + 1], y[right + 1], x[right], y[right], limit)),
    )


def _cross(out: float, above: float, inside: float, below: float, limit: float) -> float:
    """Return the place on a straight line between a point outside and one inside where it meets the limit."""
    if not math.isfinite(above):
        return inside
    return inside + (out - inside) * (limit - below) / (above - below)


def draw(ax: Axes, found: UsableRange) -> None:
    """Draw the usable range of every batch size as a bar, the median of its ends over seeds, and each seed's ends."""
    low, high = np.median(found.low, axis=1), np.median(found.high, axis=1)
    places = np.arange(len(found.batch_sizes))
    ax.bar(places, high - low, bottom=low, width=0.5, color=BLUE, alpha=0.25)
    for ends in (found.low, found.high):
        ax.plot(places, ends, ls="", marker="o", ms=3, color=BLUE, alpha=0.5)
    reference(ax, places, high, "highest that trains")
    legend(ax, loc="upper left")
    log_axis(ax, *spread([*found.low.ravel(), *found.high.ravel()], above=2.0), words.number, "usable learning rates")
    ax.set_xticks(places, labels=[str(b) for b in found.batch_sizes])
    ax.set_xlabel("batch size")
