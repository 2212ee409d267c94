"""The gradient of one example and the update that reads it, row by row.

With a batch of one, dW = xᵀ dy costs one multiplication an element: writing dW to memory and reading it back for the
update takes longer than computing it. So outer products whose result only the update reads wait for it, and the
update, a single loop over all P parameters at the end of the program, is cut where they begin and end. An outer product
and its part of the update then make a chain, which leaves dW in the first-level cache. Every element is computed as
before.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeGuard

from minisgd.backend.cpu.native.calls import Native, Translated
from minisgd.backend.cpu.native.conditions import meet, within
from minisgd.backend.cpu.native.fused_loops import is_fused
from minisgd.backend.cpu.native.walk import Walk
from minisgd.backend.cpu.views import address, root, strided
from minisgd.typing import HostArray


def defer_products(calls: Sequence[Translated]) -> list[Translated]:
    """Return the calls, outer products right before the part of the update that reads them.

    Args:
        calls: In the order in which they run, fused; all may be parts of chains.
    """
    k, update = _last_update(calls)
    if update is None:
        return list(calls)
    waiting = {_place(update, c): c for j, c in enumerate(calls[:k]) if _may_wait(c, calls[j + 1 : k], update)}
    cuts = {0, update.walk.shape[0], *waiting, *(low + c.arrays[-1].size for low, c in waiting.items())}
    found = [call for call in calls[:k] if all(call is not c for c in waiting.values())]
    for low, high in pairwise(sorted(cuts)):
        found += [waiting[low]] if low in waiting else []
        found.append(_part(update, low, high))
    return found


def _last_update(calls: Sequence[Translated]) -> tuple[int, Native | None]:
    """Return the fused loop over vectors that a program ends with, as one call, and where it begins.

    It was recorded a chunk at a time.
    """
    k, update = len(calls), None
    while k and is_fused(call := calls[k - 1]) and _is_of_vectors(call):
        longer = call if update is None else _joined(call, update)
        if longer is None:
            break
        k, update = k - 1, longer
    return k, update


def _is_of_vectors(call: Native) -> bool:
    steps = [step for (step, *_) in call.walk.strides]
    return len(call.walk.shape) == 1 and all(a.ndim == 1 for a, step in zip(call.arrays, steps, strict=True) if step)


def _joined(call: Native, after: Native) -> Native | None:
    """Return two calls as one, or None where the second does not continue the first."""
    if call.kind != after.kind or call.walk.strides != after.walk.strides:
        return None
    n = call.walk.shape[0] + after.walk.shape[0]
    arrays = []
    for a, b, (step,) in zip(call.arrays, after.arrays, call.walk.strides, strict=True):
        if address(b) != address(a) + step * call.walk.shape[0] or root(a) is not root(b):
            return None
        arrays.append(strided(a, (n,), (step,)) if step else a)
    return call._replace(arrays=tuple(arrays), walk=Walk((n,), call.walk.strides))


def _place(update: Native, product: Native) -> int:
    """Return which element of the gradient a product begins with."""
    return (address(product.arrays[-1]) - address(_gradient(update))) // product.arrays[-1].itemsize


def _gradient(update: Native) -> HostArray:
    """Return the first vector that an update reads."""
    return next(a for a, (step,) in zip(update.arrays, update.walk.strides, strict=True) if step)


def _may_wait(call: Translated, later: Sequence[Translated], update: Native) -> TypeGuard[Native]:
    """Tell whether a call is an outer product, part of the gradient, that no later call needs before the update."""
    if not isinstance(call, Native) or call.kind != "outer":
        return False
    *reads, out = call.arrays
    if not out.flags.c_contiguous or not within(out, _gradient(update)):
        return False
    for other in later:
        if not isinstance(other, Native) or any(meet(out, a) for a in other.arrays):
            return False
    written = [a for other in (*later, update) if isinstance(other, Native) for a in other.arrays[-other.outputs :]]
    return not any(meet(a, w) for a in reads for w in written)


def _part(update: Native, low: int, high: int) -> Native:
    """Return an update of some elements."""
    steps = [step for (step,) in update.walk.strides]
    arrays = tuple(a[low:high] if step else a for a, step in zip(update.arrays, steps, strict=True))
    return update._replace(arrays=arrays, walk=Walk((high - low,), update.walk.strides))
