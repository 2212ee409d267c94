"""A stack as it is given to a worker, and what the worker does with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Event
from typing import Any

import numpy as np

from minisgd.backend.cpu.threads import blas_threads
from minisgd.data import Dataset, Split
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.stack import Budget, train_stack
from minisgd.lab.study.target import Target
from minisgd.lab.trial import Trial
from minisgd.training.arithmetic import quiet_arithmetic


@dataclass(frozen=True)
class Task:
    """A stack to be trained: all that `train_stack` takes but the trial, and whom to tell."""

    batch_size: int
    cells: Sequence[tuple[float, int]]
    target: Target
    budget: Budget
    best: float
    finished: Sequence[Cell]

    def train(self, trial: Trial, on_cells: Callable[[list[Cell]], None], stop: Event) -> list[Cell]:
        """Train the stack here."""
        given = self.batch_size, self.cells, self.target, self.budget, self.best
        return train_stack(trial, *given, on_cells, stop, self.finished)


def train_elsewhere(trial: Trial, task: Task, deadline: float) -> tuple[list[Cell], list[Cell]]:
    """Train a stack on a worker, with one thread; return the finished training runs, and all.

    deadline: by time.time
    """
    trial = opened_trial(trial)
    left = deadline - time.time()
    task = replace(task, budget=replace(task.budget, deadline=time.perf_counter() + left))
    finished: list[Cell] = []
    with blas_threads(1), quiet_arithmetic():
        trained = task.train(replace(trial, threads=1), finished.extend, Event())
    return finished, trained


def opened_trial(trial: Trial) -> Trial:
    """Return a trial that was sent, with its data."""
    return replace(trial, data=opened(trial.data)) if isinstance(trial.data, str) else trial


@lru_cache(maxsize=2)
def opened(path: str) -> Dataset:
    """Map a data set into memory, as arrays like any other."""
    import joblib

    data: Dataset = joblib.load(path, mmap_mode="r")

    def plain(split: Split) -> Split:
        arrays: list[Any] = [split.x, split.y, split.weight]
        return Split(*(a.view(np.ndarray) if isinstance(a, np.memmap) else a for a in arrays))

    splits: dict[str, Any] = {name: plain(split) for name, split in data.splits.items()}
    return replace(data, **splits)
