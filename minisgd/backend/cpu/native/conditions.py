"""Where the native executor gives the bits that NumPy gives: anything else is left to NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from minisgd.backend.cpu.native._executor import has_cast
from minisgd.backend.cpu.views import address, contiguous_axes
from minisgd.typing import HostArray

INTEGER_SAFE = {"add", "subtract", "multiply", "equal", "greater", "greater_equal", "maximum", "minimum", "negative"}
"""Ufuncs whose integer loops cannot fail; of others, ``power`` for one, only those of floats are taken."""

EXACT = INTEGER_SAFE | {"divide", "sqrt", "square", "absolute", "sign"}
"""Ufuncs whose results are rounded correctly, by whichever instructions NumPy computes them."""


class Unknown(Exception):
    """The executor does not know this call, or not with these arrays."""


def require(*conditions: bool) -> None:
    """Refuse a call that does not meet the conditions."""
    if not all(conditions):
        raise Unknown


def require_plain(arrays: Sequence[Any], out: Any) -> None:
    """Refuse what is no plain array in native byte order, or could not be written."""
    for a in arrays:
        if type(a) not in (np.ndarray, np.memmap) or not a.flags.aligned or not a.dtype.isnative:
            raise Unknown
    if not out.flags.writeable:
        raise Unknown


def require_safe(ufunc: np.ufunc, dtypes: Iterable[Any]) -> None:
    """Refuse loops that may fail, and those of numbers that are neither float32 nor float64."""
    dtypes = tuple(dtypes)
    floats = all(dtype.kind == "b" or (dtype.kind == "f" and dtype.itemsize in (4, 8)) for dtype in dtypes)
    integers = ufunc.__name__ in INTEGER_SAFE and all(dtype.kind in "biu" for dtype in dtypes)
    require(floats or integers)


def require_casts(*pairs: tuple[Any, Any]) -> None:
    """Refuse conversions, from a dtype to another, that the executor has no loop for."""
    require(all(a == b or has_cast(a.num, b.num) for a, b in pairs))


def require_vectorized(ufunc: np.ufunc, arrays: Sequence[HostArray], out: HostArray) -> None:
    """Refuse what NumPy computes by other, less exact instructions, depending on which part of it a loop is given.

    That is with negative strides, and where the output begins right where an operand ends.
    """
    if ufunc.__name__ in EXACT:
        return
    low, high = byte_bounds(out)
    for a in arrays:
        start, end = byte_bounds(a)
        require(min(a.strides, default=0) >= 0, start != high, low != end)


def meet(a: HostArray, b: HostArray) -> bool:
    """Tell whether two arrays may have memory in common."""
    return bool(np.may_share_memory(a, b))


def within(a: HostArray, b: HostArray) -> bool:
    """Tell whether an array lies between the first and the last byte of another."""
    (low, high), (start, end) = byte_bounds(a), byte_bounds(b)
    return start <= low and high <= end


def same(a: HostArray, b: HostArray) -> bool:
    """Tell whether two arrays of one shape have every element at the same place."""
    steps = zip(a.shape, a.strides, b.strides, strict=True)
    return address(a) == address(b) and a.dtype == b.dtype and all(n == 1 or s == t for n, s, t in steps)


def contiguous_from(a: HostArray, axis: int) -> bool:
    """Tell whether what lies at one position of the axes before is contiguous."""
    return contiguous_axes(a) >= a.ndim - axis
