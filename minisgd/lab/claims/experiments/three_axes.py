"""Convergence on three axes: the same training runs counted in steps, in examples and in seconds.

Fewer steps and more examples is the same observation; most quarrels about batch size are about the axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Effect
from minisgd.lab.claims.experiments.measured import StepTimes
from minisgd.lab.claims.experiments.to_target import TargetRuns
from minisgd.lab.claims.pictures import Axes, each_against_batch
from minisgd.lab.claims.statistics import Estimate, chosen_among, log_ratio
from minisgd.typing import HostArray


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

    def ratio(self, axis: str) -> Effect:
        """Return an axis as a ratio: what the largest batch needs over what the smallest one needs."""
        unit = "seconds" if axis.endswith("slower") else axis
        what = self.smallest if axis == "small_slower" else self.largest
        against = self.fastest if axis.endswith("slower") else self.smallest
        return Effect.ratio(f"{unit} to target: batch size {what} / {against}", getattr(self, axis))

    def sentence(self) -> str:
        """State all three ratios."""
        said = [f"{words.count(self.ratio(axis).value)} times the {axis}" for axis in ("steps", "examples", "seconds")]
        return (
            f"Batch size {self.largest} needs {words.join(said)} of batch size {self.smallest}; "
            f"in seconds, batch size {self.fastest} is the fastest."
        )


def seconds_to_target(runs: TargetRuns, times: StepTimes) -> HostArray:
    """Return steps to the target times the median seconds of a single network's step, (K, S)."""
    each = dict(zip(times.batch_sizes, np.median(times.seconds, axis=0), strict=True))
    return np.asarray(runs.best_steps * np.array([each[b] for b in runs.batch_sizes])[:, None])


def log_seconds_ratio(times: StepTimes, b: int, other: int) -> Estimate:
    """Estimate the log-ratio of the step times at two batch sizes, paired by visit."""
    rows = dict(zip(times.batch_sizes, times.seconds.T, strict=True))
    return log_ratio(rows[b], rows[other])


def compare(runs: TargetRuns, times: StepTimes) -> ThreeAxes:
    """Compare the largest batch with the smallest, and with the fastest; seconds vary with seeds and with visits."""
    sizes = runs.batch_sizes
    fastest = int(np.median(seconds_to_target(runs, times), axis=1).argmin())
    steps = runs.log_ratio(-1, 0)

    def seconds(k: int, other: int, comparisons: int = 1) -> Estimate:
        each = runs.log_ratio(k, other).plus(log_seconds_ratio(times, sizes[k], sizes[other]))
        return chosen_among(each, comparisons)

    return ThreeAxes(
        sizes[0],
        sizes[-1],
        sizes[fastest],
        steps,
        steps.shifted(math.log(sizes[-1] / sizes[0])),
        seconds(-1, 0),
        seconds(-1, fastest, len(sizes) - 1),
        seconds(0, fastest, len(sizes) - 1),
    )


def log_critical(runs: TargetRuns) -> Estimate:
    """Estimate log Emin/Smin by the likelihood profile of the fit; 90% ends for one-sided tests."""
    fits = [runs.critical(level) for level in (0.95, 0.90)]
    if fits[0].fit is None:
        return Estimate.unbounded(math.nan)
    ends = [end for fit in fits for end in (fit.b_crit_low, fit.b_crit_high)]
    with np.errstate(divide="ignore"):
        value, low, high, low90, high90 = np.log([fits[0].fit.b_crit, *ends]).tolist()
    return Estimate(value, low, high, low90, high90, len(runs.batch_sizes) - 2)


def draw(ax: Axes, runs: TargetRuns, times: StepTimes) -> None:
    """Draw the three axes in one picture, each in units of its own smallest median."""
    tables = {
        "steps": runs.best_steps,
        "examples": runs.best_examples,
        "seconds": seconds_to_target(runs, times),
    }
    for name, table in tables.items():
        medians = np.median(table, axis=1)
        tables[name] = table / min(medians[np.isfinite(medians)], default=math.nan)
    each_against_batch(ax, runs.batch_sizes, tables, "to target, in units of the least")
