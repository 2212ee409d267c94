"""Convergence on three axes: the same training runs counted in steps, in examples and in seconds.

Fewer steps and more examples is the same observation; most quarrels about batch size are about the axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Effect
from minisgd.lab.claims.decision import QUARTER, Side, side
from minisgd.lab.claims.experiments.measured import StepTimes
from minisgd.lab.claims.experiments.to_target import TargetRuns
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.statistics import Estimate, log_ratio, ratio_of
from minisgd.lab.plots import BLUE, GREEN, ORANGE
from minisgd.typing import Generator, HostArray


@dataclass(frozen=True)
class ThreeAxes:
    """What the largest batch needs in comparison, as log-ratios: positive where it needs more.

    steps, examples, seconds: of the largest batch against the smallest
    slower, small_slower: seconds of the largest, and of the smallest, against the fastest batch size of all
    """

    smallest: int
    largest: int
    fastest: int
    steps: Estimate
    examples: Estimate
    seconds: Estimate
    slower: Estimate
    small_slower: Estimate

    def sides(self, margin: float = QUARTER) -> dict[str, Side]:
        """Return for every axis whether the largest batch needs more, less or the same as the smallest."""
        return {name: side(getattr(self, name), margin) for name in ("steps", "examples", "seconds")}

    def ratio(self, axis: str) -> Effect:
        """Return an axis as a ratio: what the largest batch needs over what the smallest one needs."""
        r = ratio_of(getattr(self, axis))
        unit = "seconds" if axis.endswith("slower") else axis
        what = self.smallest if axis == "small_slower" else self.largest
        against = self.fastest if axis.endswith("slower") else self.smallest
        return Effect.of(f"{unit} to target: batch size {what} / {against}", r)

    def sentence(self) -> str:
        """State all three ratios."""
        said = []
        for axis in ("steps", "examples", "seconds"):
            value = self.ratio(axis).value
            said.append(f"{words.count(value)} times the {axis}")
        return (
            f"Batch size {self.largest} needs {words.join(said)} of batch size {self.smallest}; "
            f"in seconds, batch size {self.fastest} is the fastest."
        )


def seconds_to_target(runs: TargetRuns, times: StepTimes) -> HostArray:
    """Return steps to the target times the median seconds of a single network's step, (K, S)."""
    each = dict(zip(times.batch_sizes, np.median(times.seconds, axis=0), strict=True))
    return np.asarray(runs.best_steps * np.array([each[b] for b in runs.batch_sizes])[:, None])


def compare(runs: TargetRuns, times: StepTimes, rng: Generator) -> ThreeAxes:
    """Compare the largest batch with the smallest, and with the fastest."""
    steps, examples, seconds = runs.best_steps, runs.best_examples, seconds_to_target(runs, times)
    fastest = int(np.median(seconds, axis=1).argmin())
    return ThreeAxes(
        runs.batch_sizes[0],
        runs.batch_sizes[-1],
        runs.batch_sizes[fastest],
        log_ratio(steps[-1], steps[0], rng),
        log_ratio(examples[-1], examples[0], rng),
        log_ratio(seconds[-1], seconds[0], rng),
        log_ratio(seconds[-1], seconds[fastest], rng),
        log_ratio(seconds[0], seconds[fastest], rng),
    )


def draw(ax: Axes, runs: TargetRuns, times: StepTimes) -> None:
    """Draw the three axes in one picture, each in units of its own smallest median."""
    for table, name, color in (
        (runs.best_steps, "steps", BLUE),
        (runs.best_examples, "examples", ORANGE),
        (seconds_to_target(runs, times), "seconds", GREEN),
    ):
        medians = np.median(table, axis=1)
        least = medians[np.isfinite(medians)].min() if np.isfinite(medians).any() else math.nan
        against_batch(ax, runs.batch_sizes, table / least, "to target, in units of the least", color=color, name=name)
