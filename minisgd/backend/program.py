"""A training step as data: the straight-line list of array calls that replaying executes."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from minisgd.typing import Array

Rows: TypeAlias = tuple[Array, Array]
"""A table (K, …) and the array (…) that its rows are copied to, one before each of K replays."""

Block: TypeAlias = tuple[int, int]
"""The number of a loop over blocks, and of the block."""


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
    block: Block | None = None
    """The loop over blocks that it belongs to."""


@dataclass(frozen=True, slots=True)
class Translates:
    """The calls of ``count`` further blocks of a loop, which follow from those of the last two that were recorded.

    later: makes a call, from the same call in these two, so many blocks later   block: of the last one
    """

    bodies: tuple[Sequence[Call], Sequence[Call]]
    later: Callable[[Call, Call, int], Call]
    block: Block
    count: int

    def __len__(self) -> int:
        return len(self.bodies[0]) * self.count

    def __getitem__(self, k: int) -> Call:
        blocks, position = divmod(k, len(self.bodies[0]))
        return self.later(self.bodies[0][position], self.bodies[1][position], blocks + 1)

    def block_of(self, k: int) -> Block:
        loop, block = self.block
        return loop, block + k // len(self.bodies[0]) + 1


class Calls:
    """The calls of a program in the order in which they were recorded: those of translates are made when looked at.

    So a program takes no more memory for many blocks of a batch than for a few.
    """

    def __init__(self) -> None:
        self._runs: list[list[Call] | Translates] = []
        self._begins: list[int] = []
        self._length = 0

    def append(self, call: Call) -> None:
        """Append a call that was recorded."""
        if not (self._runs and isinstance(self._runs[-1], list)):
            self._begin([])
        self._runs[-1].append(call)  # type: ignore[union-attr]
        self._length += 1

    def extend(self, calls: Calls | Translates) -> None:
        """Append translates, or what another program does."""
        if isinstance(calls, Translates):
            self._begin(calls)
            self._length += len(calls)
            return
        for run in calls._runs:
            if isinstance(run, Translates):
                self.extend(run)
            else:
                for call in run:
                    self.append(call)

    def _begin(self, run: list[Call] | Translates) -> None:
        self._runs.append(run)
        self._begins.append(self._length)

    def _find(self, position: int) -> tuple[list[Call] | Translates, int]:
        k = bisect_right(self._begins, position) - 1
        return self._runs[k], position - self._begins[k]

    def block_of(self, position: int) -> Block | None:
        """Return the block of a call, without making the call."""
        run, k = self._find(position)
        return run.block_of(k) if isinstance(run, Translates) else run[k].block

    def was_recorded(self, position: int) -> bool:
        """Tell whether a call was recorded itself."""
        return isinstance(self._find(position)[0], list)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, position: int) -> Call:
        run, k = self._find(position)
        return run[k]

    def __iter__(self) -> Iterator[Call]:
        return (run[k] for run in self._runs for k in range(len(run)))


class Program:
    """A recorded list of calls; replaying it makes no decisions and allocates nothing."""

    executor = "numpy"
    """Who executes the calls."""

    def __init__(self) -> None:
        self.calls = Calls()
        """As they were recorded, layer by layer: what there is to read."""
        self.order: Sequence[int] = array("q")
        """The positions of the calls as they are executed."""
        self.temporaries: tuple[Array, ...] = ()
        """Arrays that nobody reads after a replay, so that an executor need not write them."""
        self._bound: list[tuple[Callable[..., Any], tuple[Any, ...]]] | None = None

    def append(self, call: Call) -> None:
        """Append a call."""
        self.calls.append(call)
        self.arrange(range(len(self.calls)))

    def extend(self, calls: Calls | Translates) -> None:
        """Append the calls of further blocks, or of another program."""
        self.calls.extend(calls)
        self.arrange(range(len(self.calls)))

    def arrange(self, order: Iterable[int]) -> None:
        """Execute the calls in this order from now on."""
        self.order = order if isinstance(order, range) else array("q", order)
        self._bound = None

    def replay(
        self, times: int = 1, inputs: Sequence[Rows] = (), outputs: Sequence[Rows] = (), watched: Array | None = None
    ) -> int:
        """Execute every call, in the order that was arranged, and all of it so many times in a row; return how many.

        inputs: before the k-th time, row k of each table is copied to its array   outputs: after it, each array to
        row k of its table   watched: float64 in host memory; the first time after which not all of it is finite is
        the last
        """
        for k in range(times):
            for table, row in inputs:
                row[...] = table[k]
            self._execute()
            for table, row in outputs:
                table[k] = row
            if watched is not None and not np.isfinite(watched).all():
                return k + 1
        return times

    def _execute(self) -> None:
        """Execute every call once."""
        if self._bound is None:
            ordered = map(self.calls.__getitem__, self.order)
            self._bound = [(call.function, call.args) for call in ordered]
        for function, args in self._bound:
            function(*args)

    def forget_calls(self) -> None:
        """Keep only what replaying takes, where that is less: nobody reads or joins the calls any more."""

    def executors(self) -> list[str]:
        """Return who executes each call, as they were recorded."""
        return [self.executor] * len(self.calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)
