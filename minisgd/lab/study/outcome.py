"""What the search found at one batch size, and what the analysis is told of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.lab import words
from minisgd.lab.study.analysis import Trials
from minisgd.lab.study.batch_result import Curve
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.statistics import best_learning_rate
from minisgd.lab.study.target import Target
from minisgd.lab.trial import Trial
from minisgd.typing import HostArray


@dataclass(frozen=True)
class Outcome:
    """All training runs at one batch size.

    learning_rates (L,) ascending, cells [lr][seed]: of the first seeds only where a learning rate lost the race
    cut: how many runs were cut short for want of time, after so many steps at most
    """

    batch_size: int
    learning_rates: list[float]
    cells: list[list[Cell]]
    max_steps: int
    cut: int = 0

    def table(self, value: Callable[[Cell], float]) -> Any:
        """Return a number of every training run, (L, S); NaN where a seed was not tried."""
        seeds = max(map(len, self.cells))
        return np.array([[*map(value, row), *[math.nan] * (seeds - len(row))] for row in self.cells], dtype=float)

    @property
    def ran(self) -> Any:
        """Which seeds were tried at which learning rate, (L, S)."""
        return ~np.isnan(self.table(lambda c: 1.0))

    def ranking(self, target: Target, to_target: bool) -> tuple[Any, Any]:
        """Return steps and losses (L, S) by which learning rates are compared."""
        steps, sign = self.table(lambda c: c.steps_to_target), -1.0 if target.rises else 1.0

        def loss(c: Cell) -> float:
            return math.inf if c.diverged else sign * target.measured(c.train_loss, c.val_loss, c.val_accuracy)

        if not to_target:
            # with a fixed budget where a training run ends decides, not how soon it passed the target
            steps = np.full_like(steps, np.inf)
        return steps, self.table(loss)


def within_budget(
    outcomes: list[Outcome], sizes: list[int], seeds: tuple[int, ...], budget: str
) -> tuple[list[Outcome], tuple[int, ...], tuple[str, ...]]:
    """Return the outcomes that say something, the seeds that all of them have, and what was left open, in sentences.

    Raises:
        ArgumentError: There was no time for any batch size.
    """
    said = [outcome for outcome in outcomes if outcome.cells]
    if not said:
        raise too_short(budget)
    sentences = []
    missing = [str(b) for b in sizes if b not in [outcome.batch_size for outcome in said]]
    if missing:
        sentences.append(f"The budget of {budget} left no time for {words.batch_sizes(missing)}.")
    reached = [o for o in said if np.isfinite(o.table(lambda c: c.steps_to_target)).any()]
    cut = [o for o in said if o.cut and o not in reached]
    if cut:
        which = words.batch_sizes([f"{o.batch_size} (after {words.count(o.max_steps)} steps)" for o in cut])
        sentences.append(
            f"The budget of {budget} left {which} open: stopped before the target, for taking long "
            "already or for want of time."
        )
    fewest = min([_complete(o) for o in reached or said])
    if fewest < len(seeds):
        sentences.append(f"The budget of {budget} allowed {words.plural(fewest, 'seed')} instead of {len(seeds)}.")
    return said, seeds[:fewest], tuple(sentences)


def too_short(budget: str) -> ArgumentError:
    return ArgumentError("budget", expected="enough time for at least one batch size", got=budget, fix="allow more")


def _complete(outcome: Outcome) -> int:
    """Return the number of seeds that the best learning rate of a batch size was tried with."""
    steps = outcome.table(lambda c: c.steps_to_target)
    losses = outcome.table(lambda c: c.train_loss)
    best = best_learning_rate(outcome.learning_rates, steps, losses, outcome.ran)
    return len(outcome.cells[best.index])


def trials_of(trial: Trial, outcome: Outcome, visits: HostArray, seeds: int) -> Trials:
    rows = [row[:seeds] for row in outcome.cells]
    if outcome.cut:  # a seed for which there was no time is one that took longer than that
        rows = [[*row, *[replace(row[-1], steps_to_target=math.inf)] * (seeds - len(row))] for row in rows]
    outcome = replace(outcome, cells=rows)
    labelled = outcome.cells[0][0].val_accuracy is not None
    return Trials(
        batch_size=outcome.batch_size,
        full=outcome.batch_size == len(trial.data),
        learning_rates=np.array(outcome.learning_rates),
        steps=outcome.table(lambda c: c.steps_to_target),
        diverged=outcome.table(lambda c: c.diverged).astype(bool),
        train_loss=outcome.table(lambda c: c.train_loss),
        val_accuracy=outcome.table(lambda c: c.val_accuracy or 0.0) if labelled else None,
        max_steps=outcome.max_steps,
        given=outcome.table(lambda c: c.steps),
        ran=outcome.ran,
        visits=visits,
        memory_bytes=trial.bytes(outcome.batch_size),
        step_flops=trial.flops(outcome.batch_size),
        curves=[_curve(row) for row in outcome.cells],
    )


def _curve(row: list[Cell]) -> Curve:
    """Return the curve of the training run that is in the middle of its seeds."""
    middle = sorted(row, key=lambda c: (c.steps_to_target, c.steps))[len(row) // 2]
    points = [point for point in middle.curve if all(map(math.isfinite, point))]
    steps, losses, metrics = zip(*points, strict=True) if points else ((), (), ())
    return Curve(tuple(steps), tuple(losses), tuple(metrics))
