"""Draws of the seconds to target at every batch size: what seeds and visits leave open, carried to what is concluded.

Shapes: K batch sizes, L learning rates, S seeds, V visits, n draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minisgd.lab.statistics import RESAMPLES, mean_draws, noise_draws, percentiles
from minisgd.typing import Generator, HostArray


@dataclass(frozen=True)
class Draws:
    """Logarithms of the seconds to target, (n, K).

    chosen: at the learning rate that was chosen   tuned: at the best of it and its neighbours, chosen again in each
    draw
    """

    chosen: HostArray
    tuned: HostArray

    def tied(self, a: int, b: int) -> bool:
        """Return whether the 95% interval of the ratio of two batch sizes' seconds contains 1."""
        low, high = percentiles(self.chosen[:, a] - self.chosen[:, b])
        return bool(low <= 0 <= high)

    def fastest(self, k: int, among: Sequence[int]) -> float:
        """Return the share of draws in which a batch size is the fastest of several."""
        return float(np.mean(self.tuned[:, k] <= self.tuned[:, list(among)].min(axis=1)))

    def interval(self, k: int) -> tuple[float, float]:
        """Return the 95% interval of the seconds to target at a batch size."""
        low, high = percentiles(self.chosen[:, k])
        return math.exp(float(low)), math.exp(min(float(high), 700.0))


def draw_seconds(
    steps: Sequence[HostArray],
    chosen: Sequence[int],
    step_seconds: HostArray,
    visits: HostArray | None,
    rng: Generator,
    n: int = RESAMPLES,
) -> Draws | None:
    """Draw seconds to target from the seeds' t and the visits' t; None for a single seed, which has no scatter.

    Seeds are paired across batch sizes and learning rates, visits across batch sizes.

    steps: (L, S) for each batch size, finite wherever a run is to count; censored runs at the steps they were given
    chosen: the row of each batch size's best learning rate   step_seconds (K,)   visits (V, K) of seconds, or None
    """
    if steps[0].shape[1] < 2:
        return None
    rows, first = [], [0]
    for table, best in zip(steps, chosen, strict=True):
        near = [row for row in (best - 1, best + 1) if 0 <= row < len(table) and np.isfinite(table[row]).all()]
        rows += [table[best], *(table[row] for row in near)]
        first.append(len(rows))
    logs = np.log(np.array(rows))  # of all rows, each batch size's best first
    # the point estimates are medians: the draws scatter about them as means do about theirs
    drawn = mean_draws(logs, rng, n) - logs.mean(axis=1) + np.median(logs, axis=1)
    time = np.log(step_seconds) + _drawn_noise(visits, rng, n)
    tuned = np.stack([drawn[:, a:b].min(axis=1) for a, b in zip(first, first[1:], strict=False)], axis=1)
    return Draws(drawn[:, first[:-1]] + time, tuned + time)


def _drawn_noise(visits: HostArray | None, rng: Generator, n: int) -> HostArray:
    """Draw the error of the logarithm of the step times, (n, K)."""
    if visits is None or len(visits) < 2:
        return np.zeros((1, 1))
    return noise_draws(visits, rng, n)


def draw_step_seconds(step_seconds: HostArray, visits: HostArray, rng: Generator, n: int = 200) -> HostArray:
    """Draw the seconds of a step at every batch size, (n, K)."""
    noise = np.broadcast_to(_drawn_noise(visits, rng, n), (n, len(step_seconds)))
    return np.asarray(step_seconds * np.exp(np.clip(noise, -20, 20)))
