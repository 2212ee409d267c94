"""Many training runs at once: every learning rate and seed of a batch size, as replicas of one program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from time import perf_counter

import numpy as np

from minisgd.lab.study.cell import Cell, downsample
from minisgd.lab.study.statistics import crossing
from minisgd.lab.study.target import Target
from minisgd.lab.trial import Trial
from minisgd.training.evaluation import Score
from minisgd.training.replica_threads import ReplicaThreads

CENSORING_FACTOR = 4.0
"""A training run that has taken this many times the steps of the best learning rate so far, with its seed or in the
median of all known before, is censored: it can no longer be the best, nor within the usable range."""

FEW_STEPS = 50
"""But every training run may take this many steps: where a handful is enough, chance decides between them."""


class Stopped(Exception):
    """The study was asked to stop; finished cells are in the journal."""


@dataclass(frozen=True)
class Budget:
    """When training runs end: at the target (with at most max_steps), or all after max_steps.

    every: steps between evaluations. deadline, by time.perf_counter, and cut_steps: where training runs are cut
    short, and nothing but how far they came is known of them.
    """

    max_steps: int
    every: int
    to_target: bool = True
    deadline: float = math.inf
    cut_steps: float = math.inf


def train_stack(
    trial: Trial,
    batch_size: int,
    cells: Sequence[tuple[float, int]],
    target: Target,
    budget: Budget,
    best: float,
    on_cells: Callable[[list[Cell]], None],
    stop: Event,
    finished: Sequence[Cell] = (),
) -> list[Cell]:
    """Train one replica for each (learning rate, seed) and return what they did.

    Batches have exactly B examples: what is left of an epoch is dropped. Replicas that reached the target,
    diverged or were censored leave the stack. Those cut short are returned, but are not finished: on_cells does not
    hear of them.

    best: the fewest median steps known at this batch size   finished: runs of the same stack that an interrupted study
    left; they count, as they would in the stack, from the step on at which they ended
    """
    rates, seeds = zip(*cells, strict=True)
    rows = [_Row(batch_size, lr, seed) for lr, seed in cells]
    alive = list(range(len(rows)))  # replica k of the stack trains rows[alive[k]]
    train_loss = np.full(len(rows), np.nan)
    with closing(trial.with_lr(1.0).replica_threads(batch_size, seeds, rates)) as replica_threads:
        while True:
            score = replica_threads.score()
            ended = []
            for k, r in enumerate(alive):
                if rows[r].open:
                    rows[r].see(replica_threads.steps, train_loss[k], score, k, target)
            step = replica_threads.steps
            fewest = _fewest_by_seed(rows, finished, step, best) if budget.to_target else {}
            for r in alive:
                least = CENSORING_FACTOR * fewest.get(rows[r].seed, math.inf)
                out_of_steps = step >= min(budget.max_steps, max(FEW_STEPS, least))
                if rows[r].open and rows[r].ends(budget.to_target, out_of_steps):
                    ended.append(rows[r].cell())
            if ended:
                on_cells(ended)
            going = [k for k, r in enumerate(alive) if rows[r].open]
            if not going or step >= budget.cut_steps or perf_counter() > budget.deadline:
                return [row.cell() for row in rows]
            if stop.is_set():
                raise Stopped
            if len(going) <= 0.75 * len(alive):
                replica_threads.keep(going)
                alive = [alive[k] for k in going]
            steps = max(1, min(budget.every, budget.max_steps - replica_threads.steps))
            # a pilot without any evaluation would say nothing
            if not _advance(replica_threads, steps, budget.deadline if budget.to_target or step else math.inf):
                return [row.cell() for row in rows]
            train_loss = replica_threads.take_train_loss()


def _advance(replica_threads: ReplicaThreads, steps: int, deadline: float) -> bool:
    """Take so many steps; return False as soon as the deadline has passed, which is looked at about once a second."""
    some, begun = (1 if math.isfinite(deadline) else steps), perf_counter()
    while steps:
        some = min(some, steps)
        replica_threads.advance(some)
        steps -= some
        before, begun = begun, perf_counter()
        if steps and begun > deadline:
            return False
        if begun - before < 0.5:
            some *= 2
    return True


def _fewest_by_seed(rows: list[_Row], finished: Sequence[Cell], step: int, best: float) -> dict[int, float]:
    """Return the fewest steps to the target of any learning rate so far, by seed.

    Seeds know nothing of each other, so training runs are the same whether or not their seeds share a stack.
    """
    fewest: dict[int, float] = {}
    reached = [(row.seed, row.reached_at) for row in rows]
    reached += [(cell.seed, cell.steps_to_target) for cell in finished if cell.steps <= step]
    for seed, steps in reached:
        fewest[seed] = min(fewest.get(seed, best), steps)
    return fewest


class _Row:
    """One training run while it is in the stack."""

    def __init__(self, batch_size: int, lr: float, seed: int) -> None:
        self.batch_size, self.lr, self.seed = batch_size, lr, seed
        self.open = True
        self.diverged = False
        self.reached_at = math.inf
        self.points: list[tuple[float, float, float]] = []
        self.val_loss: float | None = None
        self.val_accuracy: float | None = None

    def see(self, step: int, train_loss: float, score: Score, k: int, target: Target) -> None:
        """Take in an evaluation of replica k."""
        self.val_loss = float(score.loss[k])
        self.val_accuracy = None if score.accuracy is None else float(score.accuracy[k])
        metric = target.measured(train_loss, self.val_loss, self.val_accuracy)
        self.points.append((float(step), float(train_loss), metric))
        self.diverged = step > 0 and not (math.isfinite(train_loss) and math.isfinite(self.val_loss))
        if not math.isfinite(self.reached_at) and not self.diverged:
            # what an untrained network does is not reached by training: step 0 does not count
            seen = [(at, value) for at, _, value in self.points[-2:] if at > 0]
            if seen:
                steps, metrics = zip(*seen, strict=True)
                self.reached_at = crossing(steps, metrics, target.value, target.rises)

    def ends(self, to_target: bool, out_of_steps: bool) -> bool:
        """Return whether this training run is over, and close it if so."""
        self.open = not (self.diverged or out_of_steps or (to_target and math.isfinite(self.reached_at)))
        return not self.open

    def cell(self) -> Cell:
        """Return the training run as a finished cell."""
        step, loss, _ = self.points[-1]
        return Cell(
            self.batch_size,
            self.lr,
            self.seed,
            self.reached_at,
            int(step),
            self.diverged,
            loss,
            self.val_loss,
            self.val_accuracy,
            downsample(self.points),
        )
