"""The search: at every batch size, learning rates on a grid that extends itself until the best is interior."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from minisgd.backend import Plan
from minisgd.lab.study.cell import Cell, Journal
from minisgd.lab.study.grid import lattice, nearest, window
from minisgd.lab.study.pilot import Pilot
from minisgd.lab.study.result import Target
from minisgd.lab.study.stack import CENSORING_FACTOR, FEW_STEPS, Budget, metric_of, train_stack
from minisgd.lab.study.statistics import best_learning_rate
from minisgd.lab.trial import Trial

EVALUATIONS = 40
"""Evaluations on the way to the target, about: steps to target are interpolated between them."""

EXTENSION = 2
"""Learning rates added beyond an edge at a time."""

EXTENSIONS = 6
"""How often a grid is extended before its best learning rate is reported as on the edge."""


@dataclass(frozen=True)
class Outcome:
    """All training runs at one batch size.  learning_rates (L,) ascending, cells [lr][seed]"""

    batch_size: int
    learning_rates: list[float]
    cells: list[list[Cell]]
    max_steps: int

    def table(self, value: Callable[[Cell], float]) -> Any:
        """Return a number of every training run, (L, S)."""
        return np.array([[value(cell) for cell in row] for row in self.cells], dtype=float)

    def ranking(self, target: Target, to_target: bool) -> tuple[Any, Any]:
        """Return steps and losses (L, S) by which learning rates are compared."""
        steps = self.table(lambda c: c.steps_to_target)
        sign = -1.0 if target.rises else 1.0
        worst = self.table(lambda c: sign * metric_of(c, target) if not c.diverged else math.inf)
        if not to_target:
            # with a fixed budget where a training run ends decides, not how soon it passed the target
            steps = np.full_like(steps, np.inf)
        return steps, worst


@dataclass(frozen=True)
class Search:
    """The search for the best learning rate at each batch size of a study.

    fixed_steps: the budget of a fixed number of steps at a batch size, or None to run to the target
    """

    trial: Trial
    seeds: tuple[int, ...]
    learning_rates: Sequence[float] | None
    target: Target
    fixed_steps: Callable[[int], int] | None
    stack_bytes: int
    journal: Journal[Cell]
    on_cells: Callable[[int, int, str], None]
    """Called with cells done, cells added to the plan, and the best so far."""
    stop: Event

    def chain(self, batch_sizes: Sequence[int], start: Pilot) -> list[Outcome]:
        """Search one batch size after the other, each beginning from what its neighbour found."""
        at, lr, steps = start.batch_size, start.lr, start.steps
        outcomes = []
        for b in batch_sizes:
            # a tuned larger batch never takes more steps, a smaller one at most in proportion
            expected = steps * max(1.0, at / b)
            outcome = self.search(b, lr * math.sqrt(b / at), expected)
            outcomes.append(outcome)
            best = self._best(outcome)
            reached = np.median(outcome.table(lambda c: c.steps_to_target)[best.index])
            at, lr, steps = b, best.lr, float(reached) if math.isfinite(reached) else expected
        return outcomes

    def search(self, batch_size: int, lr: float, expected_steps: float) -> Outcome:
        """Search the learning rate at one batch size, around a guess."""
        if self.fixed_steps is None:
            most = max(FEW_STEPS, math.ceil(CENSORING_FACTOR * expected_steps))
            budget = Budget(most, max(1, round(expected_steps / EVALUATIONS)))
        else:
            most = self.fixed_steps(batch_size)
            budget = Budget(most, max(1, most // EVALUATIONS), to_target=False)
        if self.learning_rates is not None:
            return self._train(batch_size, list(self.learning_rates), budget)
        points = window(nearest(lr))
        self.on_cells(0, 0, "")
        for _ in range(EXTENSIONS + 1):
            outcome = self._train(batch_size, [lattice(k) for k in points], budget)
            best = self._best(outcome)
            if not best.on_edge:
                break
            low = best.index == 0
            more = range(points[0] - EXTENSION, points[0]) if low else range(points[-1] + 1, points[-1] + 1 + EXTENSION)
            points = sorted([*points, *more])
            self.on_cells(0, EXTENSION * len(self.seeds), "")
        return outcome

    def _best(self, outcome: Outcome) -> Any:
        steps, worst = outcome.ranking(self.target, self.fixed_steps is None)
        return best_learning_rate(outcome.learning_rates, steps, worst)

    def _train(self, batch_size: int, rates: list[float], budget: Budget) -> Outcome:
        """Train whatever the journal does not hold yet, in stacks that fit into memory."""
        known = self.journal.cells
        wanted = [(lr, seed) for lr in rates for seed in self.seeds]
        missing = [(lr, seed) for lr, seed in wanted if (batch_size, lr, seed) not in known]
        size = self._stack_size(batch_size, len(missing)) if missing else 1
        for start in range(0, len(missing), size):
            train_stack(
                self.trial,
                batch_size,
                missing[start : start + size],
                self.target,
                budget,
                self._fewest(batch_size, rates),
                self._keep,
                self.stop,
            )
        cells = [[known[batch_size, lr, seed] for seed in self.seeds] for lr in rates]
        return Outcome(batch_size, rates, cells, budget.max_steps)

    def _fewest(self, batch_size: int, rates: list[float]) -> float:
        """Return the fewest median steps among the learning rates that are complete."""
        known = self.journal.cells
        keys = [[(batch_size, lr, seed) for seed in self.seeds] for lr in rates]
        complete = [[known[key] for key in row] for row in keys if all(key in known for key in row)]
        return min([math.inf, *(float(np.median([c.steps_to_target for c in row])) for row in complete)])

    def _keep(self, cells: list[Cell]) -> None:
        self.journal.add(cells)
        reached = [cell for cell in self.journal.finished() if cell.reached]
        text = ""
        if reached:
            best = min(reached, key=lambda c: c.steps_to_target * c.batch_size)
            text = f"fewest examples so far: B={best.batch_size}, lr={best.lr:g}"
        self.on_cells(len(cells), 0, text)

    def _stack_size(self, batch_size: int, most: int) -> int:
        """Return how many replicas to train at once: as many as the memory for stacks holds."""
        one = Plan(self.trial.prepare(batch_size, 0).recipe.requests()).bytes()
        whole, left = divmod(most, max(1, self.stack_bytes // one))
        stacks = max(1, whole + bool(left))
        return -(-most // stacks)
