"""What the native executor is given: loops over arrays, and calls that it hands to the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from minisgd.backend.cpu.native.walk import Walk
from minisgd.typing import HostArray


class Native(NamedTuple):
    """A call that the executor runs itself: a loop over arrays, the last of which it writes.

    kind: a ufunc, "copy", "take", "argmax" or "outer", or the name of a fused loop   more: what the executor reads
    after arrays and walk   spans: bytes that each array takes up at one position, from its first to behind its last
    outputs: how many arrays it writes
    """

    kind: Any
    arrays: tuple[HostArray, ...]
    walk: Walk
    more: tuple[Any, ...]
    spans: tuple[tuple[int, int], ...]
    outputs: int = 1

    @property
    def extent(self) -> int:
        """Indices of the outermost axis, if it may be run in parts.

        A sum along a single axis may not: it is taken in halves of halves, which parts would change.
        """
        alone = len(self.walk.shape) == 1 and self.walk.strides[-1][0] == 0
        return 1 if alone else self.walk.shape[0]

    def without_last(self) -> Native:
        """Return the call without its last array."""
        walk = self.walk._replace(strides=self.walk.strides[:-1])
        return self._replace(arrays=self.arrays[:-1], walk=walk, spans=self.spans[:-1], outputs=self.outputs - 1)

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
