"""The order of a program: loops over blocks of a batch that follow one another become one loop.

A layer that works block by block records a loop, as many bodies of calls as there are blocks. Run one after the
other, every loop fetches its arrays from memory. Run block by block through one layer after the other, what a layer
leaves is still in the cache when the next one reads it:

    for block: convolve(block)             for block:
    for block: normalise(block)      →         convolve(block); normalise(block); pool(block)
    for block: pool(block)

The same calls compute the same numbers: a block of the later loop runs before later blocks of the earlier loop only
where neither writes what the other reads or writes. Memory that every body writes anew, from the same byte on, before
reading it, and that nobody reads afterwards, is scratch: there bodies may follow one another in any order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import inf
from typing import Any, TypeAlias

from minisgd.backend.program import Call


@dataclass(slots=True)
class Extent:
    """A stretch of memory from its first byte to its last, empty at first."""

    low: float = inf
    high: float = -inf

    def cover(self, other: Extent) -> None:
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    def meets(self, other: Extent) -> bool:
        return self.low < other.high and other.low < self.high

    def holds(self, other: Extent) -> bool:
        return self.low <= other.low and other.high <= self.high


@dataclass(slots=True)
class Use:
    """What some calls do to one piece of memory; scratch: they read nothing there but what they have written."""

    read: Extent = field(default_factory=Extent)
    written: Extent = field(default_factory=Extent)
    scratch: bool = False

    def add(self, other: Use) -> None:
        """Take in what other calls do to the same memory."""
        self.scratch = self.shares_scratch(other)
        self.read.cover(other.read)
        self.written.cover(other.written)

    def shares_scratch(self, other: Use) -> bool:
        """Tell whether both use the memory as scratch, the same from the beginning."""
        return self.scratch and other.scratch and self.written.low == other.written.low

    def collides(self, other: Use) -> bool:
        """Tell whether the order between these calls and the others matters."""
        return self.written.meets(other.read) or self.written.meets(other.written) or self.read.meets(other.written)


Uses: TypeAlias = dict[int, Use]
"""By the piece of memory."""


@dataclass
class Part:
    """A loop, or a call that belongs to none: the calls of each block, as positions in the program, and their uses."""

    bodies: list[list[int]]
    uses: list[Uses]
    loops: bool = True

    def follows(self, earlier: Part, needed: set[int]) -> bool:
        """Tell whether every block of this loop may run before the later blocks of an earlier loop.

        needed: memory whose content is read afterwards, so that it is nobody's scratch
        """
        if len(self.bodies) != len(earlier.bodies):
            return False
        later: Uses = {}
        for own, next_block in zip(self.uses[-2::-1], earlier.uses[:0:-1], strict=True):
            _take_in(later, next_block)
            if _collide(own, later, needed):
                return False
        return True

    def join(self, other: Part) -> None:
        """Run every block of another loop after the same block of this one."""
        for body, uses, more, more_uses in zip(self.bodies, self.uses, other.bodies, other.uses, strict=True):
            body += more
            _take_in(uses, more_uses)

    def touches(self, other: Part) -> bool:
        """Tell whether the order of this and the other matters."""
        return any(_collide(own, uses, own.keys()) for own in self.uses for uses in other.uses)


def block_order(calls: Sequence[Call]) -> list[int]:
    """Return the order in which to execute the calls of a program: loops joined where that changes no number.

    A call between two loops goes first where it has nothing to do with the loop before it.
    """
    parts = list(_parts(calls))
    needed = _needed_after(parts)
    order: list[int] = []
    waiting: Part | None = None
    for part, needed_after in zip(parts, needed, strict=True):
        if waiting is not None and part.loops and part.follows(waiting, needed_after):
            waiting.join(part)
            continue
        if waiting is not None and (part.loops or waiting.touches(part)):
            order += _flat(waiting.bodies)
            waiting = None
        if part.loops:
            waiting = part
        else:
            order += _flat(part.bodies)
    return order if waiting is None else order + _flat(waiting.bodies)


def _parts(calls: Sequence[Call]) -> Iterator[Part]:
    for loop, group in groupby(enumerate(calls), key=lambda item: item[1].block and item[1].block[0]):
        numbered = list(group)
        if loop is None:
            yield from (Part([[position]], [_uses([call])], loops=False) for position, call in numbered)
        else:
            bodies = [[p for p, _ in body] for _, body in groupby(numbered, key=lambda item: item[1].block)]
            yield Part(bodies, [_uses([calls[p] for p in body]) for body in bodies])


def _needed_after(parts: Sequence[Part]) -> list[set[int]]:
    """Return for every part the memory whose content a later part may read."""
    needed: list[set[int]] = [set()]
    for part in reversed(parts[1:]):
        read = {memory for uses in part.uses for memory, use in uses.items() if not use.scratch}
        needed.append(needed[-1] | read)
    return needed[::-1][: len(parts)]


def _flat(bodies: Iterable[list[int]]) -> list[int]:
    return [position for body in bodies for position in body]


# ------------------------------------------------ memory


def _take_in(uses: Uses, others: Uses) -> None:
    for memory, other in others.items():
        if memory in uses:
            uses[memory].add(other)
        else:
            uses[memory] = Use(replace(other.read), replace(other.written), other.scratch)


def _collide(some: Uses, others: Uses, needed: Collection[int]) -> bool:
    return any(
        some[memory].collides(others[memory])
        for memory in some.keys() & others.keys()
        if memory in needed or not some[memory].shares_scratch(others[memory])
    )


def _uses(calls: Iterable[Call]) -> Uses:
    """Return what a sequence of calls does to every piece of memory."""
    uses: Uses = {}
    filled: dict[int, Extent] = {}
    for call in calls:
        touched = [(array, False) for array in call.reads if hasattr(array, "strides")] + [(call.out, True)]
        for array, writes in touched:
            memory, extent = _memory(array), _extent(array)
            if memory not in uses:
                uses[memory] = Use(scratch=writes and _is_gapless(array, extent))
                filled[memory] = extent
            use = uses[memory]
            (use.written if writes else use.read).cover(extent)
            use.scratch = use.scratch and filled[memory].holds(extent)
    return uses


def _memory(array: Any) -> int:
    """Return the identity of the memory that an array is a view of."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return id(array)


def _extent(array: Any) -> Extent:
    low = high = int(array.__array_interface__["data"][0])
    for n, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            low += (n - 1) * stride
        else:
            high += (n - 1) * stride
    return Extent(low, high + array.itemsize) if array.size else Extent()


def _is_gapless(array: Any, extent: Extent) -> bool:
    return bool(extent.high - extent.low == array.nbytes)
