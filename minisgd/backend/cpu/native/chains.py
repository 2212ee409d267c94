"""Which calls run together a part at a time, so that what one writes is still in the cache when the next reads it.

Consecutive calls form a chain along one axis of E indices, the outermost of each of them, when index i of every call
meets no index but i of the others: elements of vectors, rows of a batch, replicas of a stack. A chain runs all its
calls on the first few indices, then on the next few. Every element is computed as before, so the bits are the same;
where a loop adds up along its innermost axis, that axis is never cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, NamedTuple

from minisgd.backend.cpu.native.calls import Native, Translated
from minisgd.backend.cpu.views import address

PART = 32 << 10
"""Bytes that a part of a chain touches: a first-level cache."""

LARGEST_INDEX = 1 << 20
"""Bytes that a single index may touch, a second-level cache: a replica of a stack, for instance."""

LONGEST = 100
"""Calls of a chain: how long planning takes grows with its square."""


class Chain(NamedTuple):
    """Calls from ``first`` on, along an outermost axis of so many indices, ``unit`` at a time; 0: as they are."""

    first: int
    calls: int
    extent: int
    unit: int


class Touched(NamedTuple):
    """The bytes start … end − 1 that a call touches at index 0, and how much further they lie at the next index.

    low, high: the bytes low … high − 1 that it touches at all indices
    """

    start: int
    end: int
    stride: int
    written: bool
    low: int
    high: int

    def collides(self, other: Touched) -> bool:
        """Tell whether different indices of two calls touch the same memory, and one of them writes it."""
        if self.low >= other.high or other.low >= self.high or not (self.written or other.written):
            return False
        apart = max(self.end, other.end) - min(self.start, other.start) <= abs(self.stride)
        return self.stride != other.stride or not apart

    def shares(self, other: Touched) -> bool:
        """Tell whether two calls touch the same memory, other than what every index reads again."""
        return self.low < other.high and other.low < self.high and self.stride != 0 != other.stride


@dataclass
class _Group:
    """Calls that may be a chain along an axis of so many indices, with what each touches; of extent 1, any one call."""

    calls: list[Any]
    extent: int
    touched: list[list[Touched]]

    def with_call(self, call: Native) -> _Group | None:
        """Return the group with one more call, or None where it has to stay as it is."""
        extent = gcd(self.extent, call.extent)
        if extent == 1 or len(self.calls) == LONGEST:
            return None
        touched = self.touched if extent == self.extent else [_touched(c, extent) for c in self.calls]
        if touched is not self.touched and any(_collide(a, b) for k, b in enumerate(touched) for a in touched[:k]):
            return None
        new = _touched(call, extent)
        if not any(a.shares(b) for earlier in touched for a in earlier for b in new):
            return None  # nothing of it is in the cache
        if any(_collide(earlier, new) for earlier in touched):
            return None
        group = _Group([*self.calls, call], extent, [*touched, new])
        index = group.index_bytes()
        return group if index <= (LARGEST_INDEX if extent == self.extent else PART) else None

    def index_bytes(self) -> int:
        """Return about how many bytes one index touches: each array once, however many calls use it."""
        spans = {(t.start, t.stride): t.end - t.start for each in self.touched for t in each}
        return max(1, sum(spans.values()))

    def unit(self) -> int:
        """Return how many indices run at a time; 0 for all of them, call by call."""
        unit = max(1, PART // self.index_bytes())
        return 0 if len(self.calls) == 1 or unit >= self.extent else unit


def plan(calls: Sequence[Translated]) -> tuple[list[Translated], list[Chain]]:
    """Return the calls with the axes that their chains run along, and the chains, which hold all calls.

    Args:
        calls: In the order in which they run.
    """
    planned: list[Translated] = []
    chains: list[Chain] = []
    for group in _groups(calls):
        unit = group.unit()
        append_chain(chains, Chain(len(planned), len(group.calls), group.extent if unit else 0, unit))
        planned += [call._replace(walk=call.walk.split(group.extent)) if unit else call for call in group.calls]
    return planned, chains


def _groups(calls: Sequence[Translated]) -> list[_Group]:
    groups: list[_Group] = []
    for call in calls:
        longer = groups[-1].with_call(call) if groups and isinstance(call, Native) else None
        if longer is not None:
            groups[-1] = longer
        elif isinstance(call, Native):
            groups.append(_Group([call], call.extent, [_touched(call, call.extent)]))
        else:
            groups.append(_Group([call], 1, []))
    return groups


def append_chain(chains: list[Chain], chain: Chain) -> None:
    """Append a chain; calls that run as they are join those before."""
    if chains and not chain.unit and not chains[-1].unit:
        chains[-1] = chains[-1]._replace(calls=chains[-1].calls + chain.calls)
    else:
        chains.append(chain)


def _touched(call: Native, extent: int) -> list[Touched]:
    path = call.walk.split(extent)
    found = []
    for k, (array, steps, (low, high)) in enumerate(zip(call.arrays, path.strides, call.spans, strict=True)):
        far = [(n - 1) * step for n, step in zip(path.shape[1:], steps[1:], strict=True)]
        start = address(array) + low + sum(f for f in far if f < 0)
        end = start - low + high + sum(abs(f) for f in far)
        whole = (extent - 1) * steps[0]
        written = k >= len(call.arrays) - call.outputs
        found.append(Touched(start, end, steps[0], written, start + min(whole, 0), end + max(whole, 0)))
    return found


def _collide(some: Sequence[Touched], others: Sequence[Touched]) -> bool:
    return any(a.collides(b) for a in some for b in others)
