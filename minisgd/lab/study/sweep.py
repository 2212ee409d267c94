"""The search: at every batch size, learning rates on a grid that extends itself until the best is interior."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from threading import Event
from time import perf_counter
from typing import Any

import numpy as np

from minisgd.lab import words
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.elsewhere import Task
from minisgd.lab.study.grid import HALF_WINDOW, lattice, nearest, window
from minisgd.lab.study.journal import Journal
from minisgd.lab.study.outcome import Outcome
from minisgd.lab.study.pilot import Pilot
from minisgd.lab.study.stack import CENSORING_FACTOR, FEW_STEPS, Budget
from minisgd.lab.study.statistics import best_learning_rate
from minisgd.lab.study.target import Target
from minisgd.lab.study.workers import Workers
from minisgd.lab.trial import Trial

EVALUATIONS = 40
"""Evaluations on the way to the target, about: steps to target are interpolated between them."""

EXTENSION = 2
"""Learning rates added beyond an edge at a time."""

EXTENSIONS = 6
"""How often a grid is extended before its best learning rate is reported as on the edge."""


FIRST_SEEDS = 2
"""Seeds that every learning rate gets in a race; the others are for those that may be the best."""

RACE = 1.25
"""A learning rate stays in the race if its median over the first seeds is at most this many times the best one's, or
if it is a neighbour of the best."""

SLOWER = 3.0
"""Where time is short, a batch size is left open that has taken this many times the seconds of the best one."""


@dataclass(frozen=True)
class Search:
    """The search for the best learning rate at each batch size of a study.

    fixed_steps: the budget of a fixed number of steps at a batch size, or None to run to the target
    half_window: learning rates tried on each side of the expected best one, at first
    deadline: by time.perf_counter, when it must be over
    step_seconds: seconds of a step of a single network at each batch size; where given, a batch size that has taken
    SLOWER times the seconds of the best one so far is left open
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
    half_window: int = HALF_WINDOW
    deadline: float = math.inf
    step_seconds: Mapping[int, float] = field(default_factory=dict)
    workers: Workers = field(default_factory=Workers)
    seconds: dict[int, float] = field(default_factory=dict)
    """Seconds to target of the batch sizes that are done."""

    def chain(self, batch_sizes: Sequence[int], start: Pilot) -> list[Outcome]:
        """Search one batch size after the other, each beginning from what its neighbour found.

        Each gets an equal share of the time that is left, and more where it is expected to take longer: an answer at
        some is worth more than none at all. Those for which no time is left are not tried.
        """
        at, lr, steps = start.batch_size, start.lr, start.steps
        outcomes: list[Outcome] = []
        for k, b in enumerate(batch_sizes):
            left = self.deadline - perf_counter()
            if left <= 0:
                break
            # a tuned larger batch never takes more steps, a smaller one at most in proportion
            expected = steps * max(1.0, at / b)
            share = max(left / (len(batch_sizes) - k), self._replicas * start.seconds(b, expected))
            deadline = self.deadline - left + share if share < left else self.deadline
            outcome = self.search(b, lr * math.sqrt(b / at), expected, deadline)
            outcomes.append(outcome)
            best = self._best(outcome)
            reached = float(np.nanmedian(outcome.table(lambda c: c.steps_to_target)[best.index]))
            if math.isfinite(reached):
                at, lr, steps = b, best.lr, reached
                self.seconds[b] = reached * self.step_seconds.get(b, math.inf)
            elif not outcome.cut:
                at, lr, steps = b, best.lr, expected
        return outcomes

    @property
    def _replicas(self) -> int:
        """Training runs at a batch size: those of the race, and the other seeds of the best and its neighbours."""
        first = len(self.seeds[:FIRST_SEEDS])
        return first * (len(self.learning_rates or ()) or 2 * self.half_window + 1) + 3 * (len(self.seeds) - first)

    def search(self, batch_size: int, lr: float, expected_steps: float, deadline: float = math.inf) -> Outcome:
        """Search the learning rate at one batch size, around a guess.

        In a race every learning rate is tried with the first seeds, and the grid extended until the best is inside;
        then the best, its neighbours and whoever is close get the other seeds, until none of these is missing.
        """
        budget = self._budget(batch_size, expected_steps, deadline)
        points = [] if self.learning_rates is not None else window(nearest(lr), self.half_window)
        rates = list(self.learning_rates or []) or [lattice(k) for k in points]
        first = self.seeds[:FIRST_SEEDS]
        group = _Group(self, batch_size, budget)
        extensions = EXTENSIONS if points else 0
        self.on_cells(0, 0, "")
        group.train([(lr, seed) for lr in rates for seed in first])
        while not group.late:
            outcome = group.outcome(rates)
            if group.cut and not any(cell.reached for row in outcome.cells for cell in row):
                break
            best = self._best(outcome)
            if best.on_edge and extensions:
                extensions -= 1
                more = range(points[0] - EXTENSION, points[0])
                if best.index:
                    more = range(points[-1] + 1, points[-1] + 1 + EXTENSION)
                points = sorted([*points, *more])
                rates = [lattice(k) for k in points]
                self.on_cells(0, EXTENSION * len(first), "")
                group.train([(lattice(k), seed) for k in more for seed in first])
                continue
            racing = [row for row in self._in_race(outcome, best.index) if len(outcome.cells[row]) < len(self.seeds)]
            if not racing:
                break
            rest = self.seeds[len(first) :]
            self.on_cells(0, len(racing) * len(rest), "")
            group.train([(rates[row], seed) for row in racing for seed in rest])
        return group.outcome(rates)

    def _in_race(self, outcome: Outcome, best: int) -> list[int]:
        """Return the rows that may be the best: the best one, its neighbours, and those close to it."""
        steps, worst = outcome.ranking(self.target, self.fixed_steps is None)
        score = np.where(np.isfinite(steps), steps, np.inf) if self.fixed_steps is None else worst
        medians = [float(np.median(row[ran])) for row, ran in zip(score, outcome.ran, strict=True)]
        close = [m <= RACE * medians[best] and self.fixed_steps is None and math.isfinite(m) for m in medians]
        return [row for row in range(len(medians)) if abs(row - best) <= 1 or close[row]]

    def _budget(self, batch_size: int, expected_steps: float, deadline: float) -> Budget:
        if self.fixed_steps is not None:
            most = self.fixed_steps(batch_size)
            return Budget(most, max(1, most // EVALUATIONS), to_target=False, deadline=deadline)
        most = max(FEW_STEPS, math.ceil(CENSORING_FACTOR * expected_steps))
        cut, own = math.inf, self.step_seconds.get(batch_size)
        if own and self.seconds:
            cut = max(FEW_STEPS, SLOWER * min(self.seconds.values()) / own)
        return Budget(most, max(1, round(expected_steps / EVALUATIONS)), deadline=deadline, cut_steps=cut)

    def _best(self, outcome: Outcome) -> Any:
        steps, worst = outcome.ranking(self.target, self.fixed_steps is None)
        return best_learning_rate(outcome.learning_rates, steps, worst, outcome.ran)

    def keep(self, cells: list[Cell]) -> None:
        """Put finished training runs into the journal, and say what the best is."""
        self.journal.add(cells)
        reached = [cell for cell in self.journal.finished() if cell.reached]
        text = ""
        if reached:
            best = min(reached, key=lambda c: c.steps_to_target * c.batch_size)
            text = f"best B={best.batch_size}, lr={words.number(best.lr)}"
        self.on_cells(len(cells), 0, text)

    def stacks(self, batch_size: int, wanted: Sequence[tuple[float, int]]) -> list[list[tuple[float, int]]]:
        """Cut (learning rate, seed) into stacks that fit into memory: one for each seed, or for several at a time.

        Those of one seed stay together where they fit, for they tell each other when to give up.
        """
        room = max(1, self.stack_bytes // self.trial.bytes(batch_size))
        stacks: list[list[tuple[float, int]]] = []
        for seed in dict.fromkeys(seed for _, seed in wanted):
            own = [key for key in wanted if key[1] == seed]
            if not self.workers.several and stacks and len(stacks[-1]) + len(own) <= room:
                stacks[-1] += own
            else:
                parts = np.array_split(np.arange(len(own)), -(-len(own) // room))
                stacks += [[own[k] for k in part] for part in parts]
        return stacks


class _Group:
    """The training runs at one batch size, in the order in which they are trained.

    Stacks are cut in the same places whatever the journal holds already, and each knows only of the groups that came
    before: so a study that was interrupted trains what one that was not would have trained, to the last bit, and so
    does one whose stacks are trained by many workers at once.
    """

    def __init__(self, search: Search, batch_size: int, budget: Budget) -> None:
        self.search, self.batch_size, self.budget = search, batch_size, budget
        self.cells: dict[tuple[float, int], Cell] = {}
        self.cut = 0
        self.cut_at = 0
        self.late = False

    def train(self, wanted: list[tuple[float, int]]) -> None:
        """Train whatever the journal does not hold yet, in stacks that fit into memory."""
        search, best = self.search, self._fewest()
        known = {(c.lr, c.seed): c for c in search.journal.finished() if c.batch_size == self.batch_size}
        tasks = []
        for stack in search.stacks(self.batch_size, wanted):
            finished = [known[key] for key in stack if key in known]
            missing = [key for key in stack if key not in known]
            self.cells |= {(cell.lr, cell.seed): cell for cell in finished}
            if missing:
                tasks.append(Task(self.batch_size, missing, search.target, self.budget, best, finished))
        trained = sum(search.workers.train(search.trial, tasks, search.keep, search.stop), start=list[Cell]())
        done = search.journal.cells
        self.late = perf_counter() > self.budget.deadline
        first = search.seeds[:FIRST_SEEDS]
        # a later seed that time did not allow was not tried; what was too slow was
        kept = [cell for cell in trained if cell.key in done or cell.seed in first or not self.late]
        self.cells |= {(cell.lr, cell.seed): cell for cell in kept}
        cut = [cell for cell in kept if cell.key not in done]
        self.cut += len(cut)
        self.cut_at = max([self.cut_at, *(cell.steps for cell in cut)])

    def outcome(self, rates: list[float]) -> Outcome:
        """Return all training runs so far at these learning rates, those without any left out."""
        rows = [self._row(lr) for lr in rates]
        there = [k for k, row in enumerate(rows) if row]
        steps = self.cut_at if self.cut else self.budget.max_steps
        return Outcome(self.batch_size, [rates[k] for k in there], [rows[k] for k in there], steps, self.cut)

    def _row(self, lr: float) -> list[Cell]:
        """Return the runs at a learning rate, up to the first seed that it was not tried with."""
        tried = takewhile(lambda seed: (lr, seed) in self.cells, self.search.seeds)
        return [self.cells[lr, seed] for seed in tried]

    def _fewest(self) -> float:
        """Return the fewest median steps among the learning rates so far."""
        by_lr: dict[float, list[float]] = {}
        for (lr, _), cell in self.cells.items():
            by_lr.setdefault(lr, []).append(cell.steps_to_target)
        return min([math.inf, *(float(np.median(steps)) for steps in by_lr.values())])
