"""A training step as data: the straight-line list of array calls that replaying executes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from minisgd.typing import Array

Input: TypeAlias = tuple[Array, Array]
"""A table (K, …) and the array (…) that its rows are copied to, one before each of K replays."""


@dataclass(frozen=True, slots=True)
class Call:
    """One array call, bound to the buffers it reads and the buffer it writes.

    ``function(*args)`` performs it; everything else is for the readers of the program (explain, the
    profiler, the FLOP counter, the order of blocks).
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    op: str
    reads: tuple[Any, ...]
    out: Array
    phase: str
    layer: str
    block: tuple[int, int] | None = None
    """The number of the loop over blocks that it belongs to, and of the block."""
    translated: bool = False
    """It was not recorded itself, but follows from the same calls of the two blocks before."""


class Program:
    """A recorded list of calls; replaying it makes no decisions and allocates nothing."""

    executor = "numpy"
    """Who executes the calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        """As they were recorded, layer by layer: what there is to read."""
        self.order: list[int] = []
        """The positions of the calls as they are executed."""
        self.temporaries: tuple[Array, ...] = ()
        """Arrays that nobody reads after a replay, so that an executor need not write them."""
        self._bound: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def append(self, call: Call) -> None:
        self.order.append(len(self.calls))
        self.calls.append(call)
        self._bound.append((call.function, call.args))

    def arrange(self, order: list[int]) -> None:
        """Execute the calls in this order from now on."""
        self.order = order
        self._bound = [(self.calls[k].function, self.calls[k].args) for k in order]

    def replay(self, times: int = 1, inputs: Sequence[Input] = (), watched: Array | None = None) -> int:
        """Execute every call, in the order that was arranged, and all of it so many times in a row; return how many.

        inputs: before the k-th time, row k of each table is copied to its array   watched: float64 in host memory;
        the first time after which not all of it is finite is the last
        """
        for k in range(times):
            for table, array in inputs:
                array[...] = table[k]
            for function, args in self._bound:
                function(*args)
            if watched is not None and not np.isfinite(watched).all():
                return k + 1
        return times

    def executors(self) -> list[str]:
        """Return who executes each call, as they were recorded."""
        return [self.executor] * len(self.calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)
