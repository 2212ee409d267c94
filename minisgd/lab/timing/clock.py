"""A clock for rivals: each is visited in turn, in an order drawn anew every round, and the median visit counts.

Machines drift, and other programs come and go. Rivals that are timed one after the other would be told apart by that;
visited in a random order, they share it.

Shapes: V visits, K tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np

from minisgd.backend import Ops
from minisgd.backend.cpu.threads import blas_threads, choose_threads
from minisgd.training.prepare import Prepared
from minisgd.training.session import quiet_arithmetic
from minisgd.typing import Generator, HostArray

VISITS = 11
"""Visits to each task."""

SECONDS = 0.02
"""About how long a visit lasts, at least one call."""


@dataclass(frozen=True)
class Task:
    """A call to be timed: on which device, and with how many BLAS threads."""

    call: Callable[[], object]
    ops: Ops
    threads: int

    def mean(self, calls: int) -> HostArray:
        """Return the mean seconds of so many calls, (1,)."""
        begun = perf_counter()
        for _ in range(calls):
            self.call()
        self.ops.synchronize()
        return np.array([(perf_counter() - begun) / calls])

    def mean_and_work(self, calls: int) -> HostArray:
        """Return the mean seconds of so many calls, by the clock and of the processor, (2,)."""
        worked = process_time()
        wall = self.mean(calls)
        return np.append(wall, (process_time() - worked) / calls)

    def each(self, calls: int) -> HostArray:
        """Return the seconds of every call by itself, (calls,)."""
        taken = np.empty(calls)
        for k in range(calls):
            begun = perf_counter()
            self.call()
            self.ops.synchronize()
            taken[k] = perf_counter() - begun
        return taken


Lap = Callable[[Task, int], HostArray]
ProgressHook = Callable[[float], object]
"""Called with the share of the visits done."""


def in_turn(
    tasks: Sequence[Task],
    lap: Lap,
    rng: Generator,
    *,
    visits: int = VISITS,
    seconds: float = SECONDS,
    most: int = 10**6,
    on_progress: ProgressHook | None = None,
) -> list[list[HostArray]]:
    """Return what every task took at every visit, a list for each task: (K) of (V) of what a lap returns.

    A first visit that does not count tells how many calls fill a visit, ``most`` at most.
    """
    taken: list[list[HostArray]] = [[] for _ in tasks]
    calls = [1] * len(tasks)
    for visit in range(visits + 1):
        for k in rng.permutation(len(tasks)).tolist():
            task = tasks[k]
            with blas_threads(task.threads), quiet_arithmetic():
                task.call()  # brings its arrays back into the cache
                times = lap(task, calls[k])
            if visit == 0:
                calls[k] = min(max(1, round(seconds / float(times[0]))), most)
            else:
                taken[k].append(times)
        if on_progress:
            on_progress((visit + 1) / (visits + 1))
    return taken


@dataclass(frozen=True)
class StepTimes:
    """Seconds per update at every visit.

    wall (V, K): by the clock   cpu (V, K): of the processor, all threads together. A single thread that has a core for
    itself spends both alike; where cpu is less than wall, the machine was at work for others meanwhile.
    """

    wall: HostArray
    cpu: HostArray

    @property
    def cpu_share(self) -> float:
        """Return the median of cpu / wall over all visits: 1 or more on a quiet machine."""
        return float(np.median(self.cpu / self.wall))


def time_steps(
    prepare: Callable[[int], Prepared],
    batch_sizes: Sequence[int],
    threads: int | None,
    rng: Generator,
    *,
    visits: int = VISITS,
    seconds: float = SECONDS,
    on_progress: ProgressHook | None = None,
) -> HostArray:
    """Return seconds per update by the wall clock, (V, K)."""
    return measure_steps(
        prepare, batch_sizes, threads, rng, visits=visits, seconds=seconds, on_progress=on_progress
    ).wall


def measure_steps(
    prepare: Callable[[int], Prepared],
    batch_sizes: Sequence[int],
    threads: int | None,
    rng: Generator,
    *,
    visits: int = VISITS,
    seconds: float = SECONDS,
    on_progress: ProgressHook | None = None,
) -> StepTimes:
    """Time updates: gathering, gradient and update as recorded, without evaluation.

    prepare: makes the training run of a batch size, with weights that stay as they are
    """
    tasks = []
    for b in batch_sizes:
        session = prepare(b).session(last_batch="drop")
        tasks.append(Task(session.step, session.ops, choose_threads(session.largest_product(), threads)))
    taken = in_turn(tasks, Task.mean_and_work, rng, visits=visits, seconds=seconds, on_progress=on_progress)
    seen: HostArray = np.array(taken)  # (K, V, 2)
    return StepTimes(seen[:, :, 0].T, seen[:, :, 1].T)
