"""Views of memory, told by what owns it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minisgd.typing import HostArray, Shape


def root(array: Any) -> Any:
    """Return what owns the memory that an array is a view of."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return array


def address(array: HostArray) -> int:
    """Return where an array begins."""
    return int(array.__array_interface__["data"][0])


def strided(a: HostArray, shape: Shape, strides: tuple[int, ...], offset: int = 0) -> HostArray:
    """Return a view that begins ``offset`` bytes after an array, within the memory that the array is a view of.

    It is what NumPy's ``as_strided`` returns, without the objects that one keeps beside every view.
    """
    memory = root(a)
    if not isinstance(memory, np.ndarray) or not memory.flags.c_contiguous:
        assert not offset, "the memory belongs to nobody who knows its extent"
        return np.lib.stride_tricks.as_strided(a, shape, strides)
    return np.ndarray(shape, a.dtype, memory, address(a) - address(memory) + offset, strides)


def contiguous_axes(a: HostArray) -> int:
    """Return how many of the last axes lie without gaps."""
    step, axes = a.itemsize, 0
    for n, stride in zip(reversed(a.shape), reversed(a.strides), strict=True):
        if n > 1 and stride != step:
            break
        step, axes = step * n, axes + 1
    return axes
