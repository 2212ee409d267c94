"""Arrays as kernels want them: replica axes made one, the axes around a reduction made one.

Nothing here copies. Axes become one where their strides allow it; where they do not, the caller gets several views,
one for each index of the axis in the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from minisgd.typing import Array, Shape

Axis: TypeAlias = tuple[int, int]
"""Length and stride in bytes."""


def merged(a: Array, start: int, stop: int) -> Axis | None:
    """Return axes start … stop − 1 as one axis, or None if their strides do not allow it."""
    length, stride = 1, 0
    for n, apart in zip(reversed(a.shape[start:stop]), reversed(a.strides[start:stop]), strict=True):
        if n == 1:
            continue
        if length == 1:
            stride = apart
        elif apart != length * stride:
            return None
        length *= n
    return length, stride


def view(xp: Any, a: Array, *axes: Axis) -> Array:
    """Return the memory of a under axes of the given lengths and strides."""
    strided: Array = xp.lib.stride_tricks.as_strided(a, tuple(n for n, _ in axes), tuple(s for _, s in axes))
    return strided


def stacks(xp: Any, lead: Shape, *operands: Array | None, core: int = 2) -> Iterator[Sequence[Any]]:
    """Yield the operands with one replica axis in front of their last ``core`` axes.

    operands: (…, *core), their leading axes broadcast to lead; None stays None. Usually this yields once.
    """
    whole = [None if a is None else _repeated(xp, a, lead, core) for a in operands]
    if all(a is None or merged(a, 0, len(lead)) for a in whole):
        yield [None if a is None else _stack(xp, a, len(lead)) for a in whole]
        return
    for i in range(lead[0]):
        yield from stacks(xp, lead[1:], *(None if a is None else a[i] for a in whole), core=core)


def _stack(xp: Any, a: Array, leading: int) -> Array:
    axis = merged(a, 0, leading)
    assert axis is not None
    return view(xp, a, axis, *zip(a.shape[leading:], a.strides[leading:], strict=True))


def _repeated(xp: Any, a: Array, lead: Shape, core: int) -> Array:
    shape = lead + a.shape[a.ndim - core :]
    repeated: Array = a if a.shape == shape else xp.broadcast_to(a, shape)
    return repeated


def columns(xp: Any, a: Array, first: int, last: int, out: Array) -> list[tuple[Array, Array]]:
    """Return views (outer, n, inner) of a, whose axes first … last are reduced, and (outer, inner) of the result.

    out: like a without those axes, or with length 1 there. Nothing is returned where strides do not allow it.
    """
    if out.ndim == a.ndim:
        out = out.reshape(out.shape[:first] + out.shape[last + 1 :])
    outer, reduced, inner = merged(a, 0, first), merged(a, first, last + 1), merged(a, last + 1, a.ndim)
    out_outer, out_inner = merged(out, 0, first), merged(out, first, out.ndim)
    if reduced is None or inner is None or out_inner is None:
        return []
    if outer is None or out_outer is None:
        parts = [columns(xp, a[i], first - 1, last - 1, out[i]) for i in range(a.shape[0])]
        return [pair for part in parts for pair in part] if all(parts) else []
    return [(view(xp, a, outer, reduced, inner), view(xp, out, out_outer, out_inner))]


def contiguous(*arrays: Array) -> list[tuple[Array, ...]]:
    """Return the arrays, or their replicas one by one where a replica is contiguous and the whole is not."""
    if all(a.flags.c_contiguous for a in arrays):
        return [arrays]
    return [tuple(a[r : r + 1] for a in arrays) for r in range(arrays[0].shape[0])]
