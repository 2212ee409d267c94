"""Names for the operands of a recorded program, found by the memory they lie in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from minisgd.backend import Ops
from minisgd.typing import Array, Shape

INPUTS = ("x", "dy")
"""What a layer is given, and may write its results over."""


@dataclass(frozen=True)
class View:
    """How an array sees memory: from the byte ``start`` on for ``length`` bytes, in which order.

    An axis of length one has stride 0, like one that is broadcast: it takes no step.
    """

    start: int
    length: int
    shape: Shape
    strides: Shape
    itemsize: int

    @classmethod
    def of(cls, ops: Ops, array: Array) -> View:
        strides = tuple(0 if n == 1 else s for n, s in zip(array.shape, array.strides, strict=True))
        length = sum((n - 1) * s for n, s in zip(array.shape, strides, strict=True)) + array.itemsize
        return cls(ops.address(array), length, array.shape, strides, array.itemsize)

    @property
    def size(self) -> int:
        """The number of elements, repeated ones once."""
        return prod(n for n, stride in zip(self.shape, self.strides, strict=True) if stride)

    def inside(self, other: View) -> bool:
        return other.start <= self.start and self.start + self.length <= other.start + other.length

    def overlaps_itself(self) -> bool:
        """True for sliding windows, which see an element several times."""
        return self.size * self.itemsize > self.length

    def like(self, other: View) -> bool:
        return (self.shape, self.strides) == (other.shape, other.strides)

    def transposes(self, other: View) -> bool:
        return len(self.shape) > 1 and (_swapped(self.shape), _swapped(self.strides)) == (other.shape, other.strides)

    def by_columns(self) -> bool:
        """True for the transpose of a matrix whose rows are contiguous."""
        return len(self.shape) > 1 and 0 < self.strides[-2] < self.strides[-1]


def _swapped(axes: Shape) -> Shape:
    return (*axes[:-2], axes[-1], axes[-2])


class Names:
    """Names arrays by those that they are views of.

    W      all of it, in whatever shape     Wᵀ           its last two axes exchanged
    W[…]   a part of it                     windows(W)   its sliding windows

    Memory has two names where a layer writes its result over its input: that of the input until the result is
    written, and the result's from then on.
    """

    def __init__(self, ops: Ops, arrays: Mapping[str, Array]) -> None:
        self.ops = ops
        self.views = {name: View.of(ops, array) for name, array in arrays.items()}
        self._written: list[str] = []

    def read(self, array: Array) -> str | None:
        """Return the name of an operand, or None where it is a view of none of these arrays."""
        found = self._find(View.of(self.ops, array))
        latest = [name for name in reversed(self._written) if name in found]
        first = [*latest, *(name for name in found if name in INPUTS), *found]
        return found[first[0]] if found else None

    def write(self, array: Array) -> str | None:
        """Return the name of a result, or None, and remember that it has been written."""
        found = self._find(View.of(self.ops, array))
        first = [*(name for name in found if name not in INPUTS), *found]
        self._written += first[:1]
        return found[first[0]] if found else None

    def _find(self, view: View) -> dict[str, str]:
        """Return name → how the view sees it, for the arrays that it fits best."""
        exact: dict[str, str] = {}
        same: dict[str, str] = {}
        parts: dict[str, str] = {}
        for name, other in self.views.items():
            if not view.inside(other):
                continue
            if view.like(other):
                exact[name] = name
            elif view.transposes(other):
                exact[name] = f"{name}ᵀ"
            elif view.overlaps_itself():
                parts[name] = f"windows({name})"
            else:
                fits = same if view.size == other.size else parts
                fits[name] = name + ("" if fits is same else "[…]") + ("ᵀ" if view.by_columns() else "")
        return exact or same or parts


def constant(array: Array) -> str:
    """Name an array that no layer declared: a number by its value, the classes as a range, or padding."""
    if array.size == 1:
        return f"{array.item():.4g}"
    return f"0…{array.size - 1}" if array.dtype.kind == "i" else "padded"
