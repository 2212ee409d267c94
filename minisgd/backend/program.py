"""A training step as data: the straight-line list of array calls that replaying executes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from minisgd.typing import Array


@dataclass(frozen=True, slots=True)
class Call:
    """One array call, bound to the buffers it reads and the buffer it writes.

    ``function(*args)`` performs it; everything else is for the readers of the program (explain, the
    profiler, the FLOP counter).
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    op: str
    reads: tuple[Any, ...]
    out: Array
    phase: str
    layer: str

    def execute(self) -> None:
        self.function(*self.args)


class Program:
    """A recorded list of calls; replaying it makes no decisions and allocates nothing."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._bound: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def append(self, call: Call) -> None:
        self.calls.append(call)
        self._bound.append((call.function, call.args))

    def replay(self) -> None:
        """Execute every call in order."""
        for function, args in self._bound:
            function(*args)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)
