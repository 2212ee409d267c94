"""What the native executor is given: loops over arrays, and calls that it hands to the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from minisgd.backend.cpu.native.walk import Walk
from minisgd.typing import HostArray


class Native(NamedTuple):
    """A call that the executor runs itself: a loop over arrays, the last of which it writes.

    kind: a ufunc, or "copy", "take" or "argmax"   more: what the executor reads after arrays and walk
    spans: bytes that each array takes up at one position, from its first to behind its last
    """

    kind: Any
    arrays: tuple[HostArray, ...]
    walk: Walk
    more: tuple[Any, ...]
    spans: tuple[tuple[int, int], ...]

    @property
    def extent(self) -> int:
        """Indices of the outermost axis, if it may be run in parts.

        A sum along a single axis may not: it is taken in halves of halves, which parts would change.
        """
        alone = len(self.walk.shape) == 1 and self.walk.strides[-1][0] == 0
        return 1 if alone else self.walk.shape[0]

    def described(self) -> tuple[Any, ...]:
        """Return the call as the executor takes it."""
        return (self.kind, self.arrays, *self.walk, *self.more)


class ThroughPython(NamedTuple):
    """A call that the executor hands to the interpreter."""

    function: Callable[..., Any]
    args: tuple[Any, ...]

    def described(self) -> tuple[Any, ...]:
        """Return the call as the executor takes it."""
        return tuple(self)


def describe_input(table: HostArray, array: HostArray) -> tuple[Any, ...]:
    """Return the copy of a table's rows to an array as the executor takes it: one row before each replay."""
    return ("copy", (table, array), table.shape, (table.strides, (0, *array.strides)))
