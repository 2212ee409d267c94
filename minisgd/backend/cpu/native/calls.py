"""What the native executor is given: loops over arrays, and calls that it hands to the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from minisgd.backend.cpu.native.walk import Walk, walk
from minisgd.backend.program import Rows
from minisgd.typing import HostArray


class Native(NamedTuple):
    """A call that the executor runs itself: a loop over arrays, the last of which it writes.

    kind: a ufunc, "copy", "take", "put_rows", "add_rows", "argmax", "outer", "erf" or the name of a fused loop
    more: what the executor reads after arrays and walk   outputs: how many arrays it writes
    spans: bytes that each array takes up at one position, from its first to behind its last
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


Translated: TypeAlias = Native | ThroughPython
"""A call as the executor takes it."""


def describe_rows(times: int, tables: Sequence[Rows], back: bool = False) -> tuple[Any, ...]:
    """Return the copies of rows of tables to arrays, or back, as the executor takes them: a row for each time."""
    described = []
    for table, array in tables:
        path = walk(array.shape, (table.strides[1:], array.strides))
        strides = (table.strides[0], *path.strides[0]), (0, *path.strides[1])
        order = slice(None, None, -1 if back else 1)
        described.append(("copy", (table[:times], array)[order], (len(table[:times]), *path.shape), strides[order]))
    return tuple(described)
