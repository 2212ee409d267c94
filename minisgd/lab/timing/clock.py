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
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.prepare import Prepared
from minisgd.typing import Generator, HostArray

VISITS = 11
"""Visits to each task."""

SECONDS = 0.02
"""About how long a visit lasts, at least one call."""

PARTS = 15
"""Parts of a visit that are timed by themselves."""


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

    def typical(self, calls: int) -> HostArray:
        """Return the seconds of a call, the median over PARTS of them, and the processor's share of all of it, (2,).

        Where others want the processor too, a part in which it was given away takes several times as long; the median
        is of those in which it was not.
        """
        parts = min(PARTS, calls)
        begun, worked = perf_counter(), process_time()
        wall = np.median([self.mean(calls // parts) for _ in range(parts)])
        return np.array([wall, (process_time() - worked) / max(perf_counter() - begun, 1e-9)])

    def each(self, calls: int) -> HostArray:
        """Return the seconds of every call by itself, by the clock and of the processor, (2, calls)."""
        taken = np.empty((2, calls))
        for k in range(calls):
            worked, begun = process_time(), perf_counter()
            self.call()
            self.ops.synchronize()
            taken[:, k] = perf_counter() - begun, process_time() - worked
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
                if visit == 0:  # the quickest of three calls: one alone may have been interrupted
                    quickest = min(float(lap(task, 1).flat[0]) for _ in range(3))
                    calls[k] = min(max(1, round(seconds / quickest)), most)
                else:
                    taken[k].append(lap(task, calls[k]))
        if on_progress:
            on_progress((visit + 1) / (visits + 1))
    return taken


@dataclass(frozen=True)
class StepTimes:
    """Seconds per update at every visit, and how much of the processor it had.

    wall (V, K): by the clock   cpu (V, K): seconds of the processor, all threads together, per second of the clock. A
    thread that has a core for itself has all of it; less, and the machine was at work for others meanwhile.
    """

    wall: HostArray
    cpu: HostArray

    @classmethod
    def of(cls, taken: Sequence[Sequence[HostArray]]) -> StepTimes:
        """Take what ``in_turn`` returns of ``Task.typical``, (K, V, 2)."""
        seen: HostArray = np.array(taken)
        return cls(seen[:, :, 0].T, seen[:, :, 1].T)

    @property
    def worked(self) -> HostArray:
        """Return the seconds that the processor worked: those of a machine without others, but for its caches."""
        return np.asarray(self.wall * np.minimum(self.cpu, 1.0))

    @property
    def cpu_share(self) -> float:
        """Return the median share over all visits: 1 or more on a quiet machine."""
        return float(np.median(self.cpu))


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
    return StepTimes.of(in_turn(tasks, Task.typical, rng, visits=visits, seconds=seconds, on_progress=on_progress))
