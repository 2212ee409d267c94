"""The pilot: a few short training runs that say what can be reached, how fast, and at which learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from time import perf_counter
from typing import Any

import numpy as np

from minisgd.data import Dataset
from minisgd.errors import ArgumentError, DataError
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.grid import PER_DECADE, lattice
from minisgd.lab.study.result import Target
from minisgd.lab.study.stack import Budget, baseline, classes_of, train_stack
from minisgd.lab.study.statistics import crossing
from minisgd.lab.trial import Trial
from minisgd.nn import Loss, MeanSquaredError

STEPS = 800
"""Updates of a training run of the pilot: what they reach is the measure of the target."""

EVALUATIONS = 40

SHARE = 0.97
"""The target is this share of the way from knowing nothing to what the pilot reached."""

TYPICAL_BATCH = 32


@dataclass(frozen=True)
class Pilot:
    """What the pilot found: the target, and at one batch size the best learning rate and its steps to the target."""

    target: Target
    batch_size: int
    lr: float
    steps: float
    replica_step_seconds: float
    """Seconds of one update of one replica in a stack."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Pilot:
        """Rebuild a pilot from the journal."""
        return cls(**{**values, "target": Target(**values["target"])})


def pilot_batch_size(batch_sizes: Sequence[int]) -> int:
    """Return the batch size, of those to be studied, that is nearest to a typical one."""
    return min(batch_sizes, key=lambda b: abs(math.log(b / TYPICAL_BATCH)))


def run_pilot(
    trial: Trial,
    batch_sizes: Sequence[int],
    target: Target | None,
    learning_rates: Sequence[float] | None,
    seeds: Sequence[int],
    stop: Event,
    metric: str | None = None,
) -> Pilot:
    """Train at one batch size over many decades of learning rate, and choose the target unless one is given.

    Args:
        trial: What is trained, and where.
        batch_sizes: Those to be studied; the one nearest to 32 is used.
        target: The target, or None to choose one.
        learning_rates: By default five decades.
        seeds: Seeds of the study; the first two are used.
        stop: Set to end early.
        metric: Metric of a chosen target: by default validation accuracy for labelled data and validation loss for
            others.

    Returns:
        The target, and at one batch size the best learning rate and its steps to the target.

    Raises:
        DataError: No learning rate learns anything.
        ArgumentError: An untrained network meets the target.
    """
    batch_size = pilot_batch_size(batch_sizes)
    rates = learning_rates or [lattice(k) for k in range(-4 * PER_DECADE, PER_DECADE + 1, 2)]
    usual = "val_accuracy" if trial.data.task == "classification" else "val_loss"
    watched = target or Target(metric or usual, math.nan)
    if watched.metric == "val_accuracy" and trial.data.task != "classification":
        raise DataError("target_accuracy", expected="asked of labelled data", got="regression", fix="use target_loss")
    cells = [(lr, seed) for lr in rates for seed in seeds[:2]]
    begun = perf_counter()
    done = train_stack(
        trial, batch_size, cells, watched, Budget(STEPS, STEPS // EVALUATIONS, False), math.inf, lambda _: None, stop
    )
    seconds = perf_counter() - begun
    lr, level = _best(done, rates, watched)
    goal = target or Target(watched.metric, _target_value(trial.data, done, level, watched, trial.loss))
    steps = min(_steps_to(done, rate, goal) for rate in rates)
    if steps == 0:
        raise ArgumentError(
            f"target {goal.metric}",
            expected="harder than what an untrained network does",
            got=goal.value,
            fix="ask for more, or leave the target out and a pilot finds one",
        )
    return Pilot(goal, batch_size, lr, steps if math.isfinite(steps) else STEPS, seconds / (STEPS * len(cells)))


def _best(done: list[Cell], rates: Sequence[float], watched: Target) -> tuple[float, float]:
    """Return the learning rate whose training runs ended best, and how well: the mean of their last evaluations."""
    sign = 1.0 if watched.rises else -1.0
    levels = {lr: float(np.median([_last(cell) for cell in done if cell.lr == lr])) for lr in rates}
    scored = {lr: sign * level for lr, level in levels.items() if math.isfinite(level)}
    if not scored:
        raise DataError(
            "data",
            expected="something that the network can learn",
            got="every training run of the pilot diverged",
            fix="scale the features, check the labels, or give learning_rates that are smaller",
        )
    best = max(scored, key=lambda lr: scored[lr])
    return best, levels[best]


def _last(cell: Cell) -> float:
    """Return the mean of the last evaluations: one alone is noisy."""
    return math.nan if cell.diverged else float(np.mean([metric for _, _, metric in cell.curve[-5:]]))


def _target_value(data: Dataset, done: list[Cell], level: float, watched: Target, loss: Loss | None) -> float:
    assert data.validation is not None
    if watched.metric == "val_accuracy":
        nothing = baseline(classes_of(data.validation))
        return round(nothing + SHARE * (level - nothing), 3)
    nothing = float(np.median([cell.curve[0][2] for cell in done]))
    if loss is None or isinstance(loss, MeanSquaredError):
        # the best constant prediction is the mean, whose error is the variance
        nothing = min(nothing, float(data.validation.y.var(axis=0).mean()))
    return float(f"{nothing + SHARE * (level - nothing):.4g}")


def _steps_to(done: list[Cell], lr: float, target: Target) -> float:
    """Return the median steps to the target at a learning rate."""
    reached = []
    for cell in done:
        if cell.lr == lr:
            steps, _, metrics = zip(*cell.curve, strict=True)
            reached.append(crossing(steps, metrics, target.value, "up" if target.rises else "down"))
    return float(np.median(reached))
