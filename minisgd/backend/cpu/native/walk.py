"""In which order the elements of several arrays are visited: as NumPy's iterator visits them.

Where a loop adds up what it visits, the order decides the rounding, so it has to be NumPy's: axes sorted by their
strides, and axes that continue one another joined to one (``npyiter_find_best_axis_ordering`` and
``npyiter_coalesce_axes`` of NumPy's source).
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import NamedTuple

from minisgd.typing import Shape

Strides = tuple[int, ...]

SHORT = 8
"""Elements of a loop below which beginning it takes longer than running it."""


class Walk(NamedTuple):
    """Nested loops over arrays, outermost first: extents, and for every array the bytes from one index to the next."""

    shape: Shape
    strides: tuple[Strides, ...]

    def split(self, extent: int) -> Walk:
        """Return the same walk with an outermost axis of this extent, which must divide the present one."""
        inner = self.shape[0] // extent
        if inner == 1:
            return self
        strides = tuple((step * inner, step, *rest) for step, *rest in self.strides)
        return Walk((extent, inner, *self.shape[1:]), strides)

    def unfolded(self, shape: Shape) -> Walk | None:
        """Return the same walk along these axes, or None: only a single axis can be cut to others."""
        if self.shape == shape or self.shape != (prod(shape),):
            return self if self.shape == shape else None
        inner = [prod(shape[k + 1 :]) for k in range(len(shape))]
        return Walk(shape, tuple(tuple(step * n for n in inner) for (step,) in self.strides))

    def with_long_loops(self) -> Walk:
        """Return the walk with its last two axes exchanged where the inner loop would be too short to pay."""
        if len(self.shape) < 2 or self.shape[-1] >= min(SHORT, self.shape[-2]):
            return self
        return Walk(_exchanged(self.shape), tuple(map(_exchanged, self.strides)))


def _exchanged(axes: tuple[int, ...]) -> tuple[int, ...]:
    return (*axes[:-2], axes[-1], axes[-2])


@lru_cache(maxsize=256)  # the blocks of a loop are all alike
def walk(shape: Shape, strides: tuple[Strides, ...]) -> Walk:
    """Return how NumPy walks arrays that are broadcast to a shape."""
    axes = [(n, [array[k] for array in strides]) for k, n in enumerate(shape) if n != 1]
    joined: list[tuple[int, list[int]]] = []
    for n, steps in reversed(_sorted(axes[::-1])):
        if joined and all(outer == n * step for outer, step in zip(joined[-1][1], steps, strict=True)):
            joined[-1] = joined[-1][0] * n, steps
        else:
            joined.append((n, steps))
    if not joined:  # one element: NumPy's loops get strides of 0
        joined = [(1, [0] * len(strides))]
    return Walk(tuple(n for n, _ in joined), tuple(zip(*(steps for _, steps in joined), strict=True)))


def _sorted(axes: list[tuple[int, list[int]]]) -> list[tuple[int, list[int]]]:
    """Return the axes, innermost first, by ascending strides; where arrays disagree they stay as they are."""
    order: list[tuple[int, list[int]]] = []
    for axis in axes:
        place = len(order)
        for k in range(len(order) - 1, -1, -1):
            pairs = [(a, b) for a, b in zip(axis[1], order[k][1], strict=True) if a and b]
            if not pairs:
                continue
            if any(abs(b) <= abs(a) for a, b in pairs):
                break
            place = k
        order.insert(place, axis)
    return order
