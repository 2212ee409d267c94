"""How the critical batch size Emin/Smin changes from one problem to another, over paired seeds.

Shapes: P problems, K batch sizes, S seeds, D draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.experiments.to_target import TargetRuns
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.statistics import Estimate, drawn, fit_slopes
from minisgd.lab.plots import BLUE, GREEN, ORANGE
from minisgd.lab.study.curves import by_both_definitions
from minisgd.lab.study.fit import RESOLVABLE, critical_batch_sizes
from minisgd.typing import Generator, HostArray


def critical_sizes(runs: Sequence[TargetRuns]) -> list[float]:
    """Return the critical batch size of every problem, fitted where all problems have the batch size, (P)."""
    table = _log_steps(runs)
    return [float(size) for size in np.exp(_logs(runs, table.mean(axis=1)[None])[:, 0])]


def describe(runs: Sequence[TargetRuns]) -> str:
    """State the critical batch sizes by both definitions: 27, 35 and ∞."""
    sizes = critical_sizes(runs)

    def said(factor: float) -> str:
        return words.join(["unknown" if math.isnan(size) else words.size(factor * size) for size in sizes])

    return by_both_definitions(said)


def trend(x: Sequence[float], runs: Sequence[TargetRuns], rng: Generator) -> Estimate:
    """Estimate d log Bcrit / d x by least squares through the problems.  x (P,)

    Between two problems at x = 0 and 1 it is the log-ratio of their critical batch sizes.
    """
    return drawn(lambda means: fit_slopes(np.array(x, float), _logs(runs, means)), _log_steps(runs), rng)


def _common(runs: Sequence[TargetRuns]) -> list[int]:
    return [b for b in runs[0].batch_sizes if all(b in other.batch_sizes for other in runs)]


def _log_steps(runs: Sequence[TargetRuns]) -> HostArray:
    """Return the log steps of all problems at the batch sizes that all have, (P·K, S); a slow seed is slow in all."""
    common = _common(runs)
    tables = [run.best_steps[[run.batch_sizes.index(b) for b in common]] for run in runs]
    return np.asarray(np.log(np.concatenate(tables)))


def _logs(runs: Sequence[TargetRuns], means: HostArray) -> HostArray:
    """Return log Bcrit for draws of the mean log steps.  means (D, P·K) to (P, D), NaN without three points to fit

    Beyond what can be resolved, Bcrit counts as the end of that range: perfect scaling is not left out.
    """
    common = _common(runs)
    ends = min(common) / RESOLVABLE, max(common) * RESOLVABLE
    with np.errstate(over="ignore"):
        found = [critical_batch_sizes(common, np.exp(np.clip(part, -300, None)))
                 for part in np.split(means, len(runs), axis=1)]  # fmt: skip
    return np.asarray(np.log(np.clip(np.stack(found), *ends)))


def cautions(runs: Sequence[TargetRuns], names: Sequence[str]) -> tuple[str, ...]:
    """Return what to be careful about, problem by problem."""
    return tuple(f"{name}: {text}" for run, name in zip(runs, names, strict=True) for text in run.cautions())


def draw(ax: Axes, runs: Sequence[TargetRuns], names: Sequence[str]) -> None:
    """Draw the steps to target of up to three problems, each in units of its own fewest."""
    for run, name, color in zip(runs, names, (BLUE, ORANGE, GREEN), strict=False):
        least = np.median(run.best_steps, axis=1).min()
        if np.isfinite(least):
            label = "steps to target, in units of the fewest"
            against_batch(ax, run.batch_sizes, run.best_steps / least, label, color=color, name=name)
