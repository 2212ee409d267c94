"""How long each call of a program takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter

import numpy as np

from minisgd.backend import Program
from minisgd.backend.cpu.threads import blas_threads, choose_threads
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.cost import largest_product

WARM_UP = 3
LEAST, MOST = 5, 200
"""Replays that are measured, as the time budget allows."""

BUDGET = 0.5
"""Seconds to spend on them."""


def time_calls(programs: Sequence[Program]) -> list[float]:
    """Return the median microseconds of every call, over replays of all programs in turn.

    The calls are executed in the order of a replay and listed in the order in which they were recorded. One that
    takes less than about a microsecond is mostly the cost of calling it. Each is replayed by itself, by the
    executor of the program.
    """
    calls = list(_in_order(programs))
    with blas_threads(choose_threads(largest_product(programs))), quiet_arithmetic():
        for _ in range(WARM_UP):
            start = perf_counter()
            for program in programs:
                program.replay()
            once = perf_counter() - start
        replays = int(np.clip(BUDGET / max(once, 1e-9), LEAST, MOST))
        seconds = np.empty((replays, len(calls)))
        for row in seconds:
            for position, alone in calls:
                start = perf_counter()
                alone.replay()
                row[position] = perf_counter() - start
    micros: list[float] = (1e6 * np.median(seconds, axis=0)).tolist()
    return micros


def _in_order(programs: Sequence[Program]) -> Iterator[tuple[int, Program]]:
    """Yield all calls as they are executed, each a program, with its position among all calls as they were recorded."""
    before = 0
    for program in programs:
        for k in program.order:
            alone = type(program)()
            alone.append(program.calls[k])
            yield before + k, alone
        before += len(program)
