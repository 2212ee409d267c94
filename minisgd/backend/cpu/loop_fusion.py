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
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np

from minisgd.backend.cpu.views import address, root
from minisgd.backend.program import Block, Call, Calls
from minisgd.typing import HostArray


@dataclass(slots=True)
class Extents:
    """A stretch of memory a block, from its first byte to its last: low, high (K,), inf and −inf where it is empty."""

    low: HostArray
    high: HostArray

    @classmethod
    def empty(cls, blocks: int) -> Extents:
        return cls(np.full(blocks, np.inf), np.full(blocks, -np.inf))

    def union(self, other: Extents) -> Extents:
        return Extents(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def cover(self, k: int, low: float, high: float) -> None:
        self.low[k], self.high[k] = min(self.low[k], low), max(self.high[k], high)

    def after(self) -> Extents:
        """Return for every block what all later ones cover together."""
        later = Extents.empty(len(self.low))
        later.low[:-1] = np.minimum.accumulate(self.low[:0:-1])[::-1]
        later.high[:-1] = np.maximum.accumulate(self.high[:0:-1])[::-1]
        return later

    def continue_from(self, k: int, last: int) -> None:
        """Fill in blocks k + 1 … last, each as far from the one before as block k is from block k − 1."""
        for ends in (self.low, self.high):
            if np.isfinite(ends[k]):
                ends[k + 1 : last + 1] = ends[k] + (ends[k] - ends[k - 1]) * np.arange(1, last - k + 1)

    def meets(self, other: Extents) -> bool:
        return bool(((self.low < other.high) & (other.low < self.high)).any())


@dataclass(slots=True)
class Use:
    """What the blocks of a loop do to one piece of memory.

    scratch: every block that uses it reads nothing there but what it has written, from the same first byte on
    """

    read: Extents
    written: Extents
    scratch: bool

    def with_(self, other: Use) -> Use:
        """Return what these calls and others do, block by block."""
        return Use(self.read.union(other.read), self.written.union(other.written), self.shares_scratch(other))

    def after(self) -> Use:
        """Return for every block what all later ones do."""
        return replace(self, read=self.read.after(), written=self.written.after())

    def shares_scratch(self, other: Use) -> bool:
        """Tell whether both use the memory as scratch, the same from the beginning."""
        return bool(self.scratch and other.scratch and self.written.low.min() == other.written.low.min())

    def collides(self, other: Use) -> bool:
        """Tell whether the order between these calls and the others matters."""
        return self.written.meets(other.read) or self.written.meets(other.written) or self.read.meets(other.written)


Uses: TypeAlias = dict[int, Use]
"""By the piece of memory."""


@dataclass
class Part:
    """A loop, or a call that belongs to none: the calls of each block, as positions in the program, and their uses."""

    bodies: list[list[range]]
    uses: Uses
    loops: bool = True

    def follows(self, earlier: Part, needed: set[int]) -> bool:
        """Tell whether every block of this loop may run before the later blocks of an earlier loop.

        needed: memory whose content is read afterwards, so that it is nobody's scratch
        """
        if len(self.bodies) != len(earlier.bodies):
            return False
        return not _collide(self.uses, {m: use.after() for m, use in earlier.uses.items()}, needed)

    def join(self, other: Part) -> None:
        """Run every block of another loop after the same block of this one."""
        for body, more in zip(self.bodies, other.bodies, strict=True):
            body += more
        for memory, use in other.uses.items():
            self.uses[memory] = self.uses[memory].with_(use) if memory in self.uses else use

    def touches(self, call: Part) -> bool:
        """Tell whether the order of this and of a call that belongs to no loop matters."""
        return _collide(self.uses, call.uses, self.uses.keys())


def block_order(calls: Calls) -> Iterator[int]:
    """Yield the calls of a program in the order in which to execute them: loops joined where that changes no number.

    A call between two loops goes first where it has nothing to do with the loop before it.
    """
    blocks = map(calls.block_of, range(len(calls)))
    if len({block[0] for block in blocks if block is not None and block[1]}) < 2:
        yield from range(len(calls))  # there is nothing to join
        return
    parts = list(_parts(calls))
    needed_by = {memory: k for k, part in enumerate(parts) for memory, use in part.uses.items() if not use.scratch}
    waiting = Part([], {})
    for k, part in enumerate(parts):
        if part.loops and part.follows(waiting, {memory for memory, last in needed_by.items() if last > k}):
            waiting.join(part)
            continue
        if part.loops or waiting.touches(part):
            yield from _flat(waiting.bodies)
            waiting = Part([], {})
        if part.loops:
            waiting = part
        else:
            yield from _flat(part.bodies)
    yield from _flat(waiting.bodies)


def _parts(calls: Calls) -> Iterator[Part]:
    begin = 0
    bodies: list[tuple[Block | None, range]] = []
    for block, body in groupby(map(calls.block_of, range(len(calls)))):
        end = begin + sum(1 for _ in body)
        bodies.append((block, range(begin, end)))
        begin = end
    for loop, group in groupby(bodies, key=lambda item: item[0] and item[0][0]):
        together = [body for _, body in group]
        if loop is None:
            alone = (range(k, k + 1) for body in together for k in body)
            yield from (Part([[call]], _uses(calls, [call]), loops=False) for call in alone)
        else:
            yield Part([[body] for body in together], _uses(calls, together))


def _flat(bodies: Iterable[list[range]]) -> Iterator[int]:
    return (position for body in bodies for part in body for position in part)


# ------------------------------------------------ memory


def _collide(some: Uses, others: Uses, needed: Collection[int]) -> bool:
    return any(
        some[memory].collides(others[memory])
        for memory in some.keys() & others.keys()
        if memory in needed or not some[memory].shares_scratch(others[memory])
    )


def _uses(calls: Calls, bodies: Sequence[Sequence[int]]) -> Uses:
    """Return what the blocks of a loop do to every piece of memory; translates need not be looked at."""
    translated = []
    uses: Uses = {}
    for k, body in enumerate(bodies):
        if calls.was_recorded(body[0]):
            _note(map(calls.__getitem__, body), k, len(bodies), uses)
        else:
            translated.append(k)
    for use in uses.values():
        if translated:
            use.read.continue_from(translated[0] - 1, translated[-1])
            use.written.continue_from(translated[0] - 1, translated[-1])
        low = use.written.low
        use.scratch = use.scratch and bool(((low == low.min()) | np.isinf(low)).all())
    return uses


def _note(body: Iterable[Call], k: int, blocks: int, uses: Uses) -> None:
    """Add what block k does."""
    filled: dict[int, tuple[float, float]] = {}
    for call in body:
        touched = [(array, False) for array in call.reads if hasattr(array, "strides")] + [(call.out, True)]
        for array, writes in touched:
            if not array.size:
                continue
            memory, (low, high) = id(root(array)), _extent(array)
            if memory not in uses:
                uses[memory] = Use(Extents.empty(blocks), Extents.empty(blocks), scratch=True)
            use = uses[memory]
            if memory not in filled:
                filled[memory] = low, high
                use.scratch = use.scratch and writes and high - low == array.nbytes
            (use.written if writes else use.read).cover(k, low, high)
            use.scratch = use.scratch and filled[memory][0] <= low and high <= filled[memory][1]


def _extent(array: Any) -> tuple[float, float]:
    low = high = address(array)
    for n, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            low += (n - 1) * stride
        else:
            high += (n - 1) * stride
    return low, high + array.itemsize
