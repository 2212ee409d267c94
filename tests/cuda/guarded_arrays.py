"""Copies of a kernel's arrays in guarded memory, for the time of one launch.

An array that is a view of a larger buffer would let a kernel stray into its neighbours unnoticed. So a kernel
gets copies between forbidden pages. Arguments that share memory share a copy, so that work in place is in place;
addresses keep their remainder by 16, so that an array is aligned in the copy as in the original.
"""

from __future__ import annotations

import ctypes
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.cuda.cuda_build import machine

ALIGNMENT = 16
"""The widest access of a thread: a vector of four floats."""


class GuardedArrays:
    """Guarded copies of arrays by number of argument; `address[i]` holds the pointer that the kernel is given."""

    def __init__(self, arrays: dict[int, npt.NDArray[Any]], *, at_front: bool) -> None:
        self.arrays, self.at_front = arrays, at_front
        self.address: dict[int, npt.NDArray[np.uint64]] = {}
        self._regions: list[Region] = []

    def __enter__(self) -> GuardedArrays:
        make = machine().emulator_new_array
        make.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
        make.restype = ctypes.c_void_p
        self._regions = merge(self.arrays)
        for region in self._regions:
            region.copy = make(region.members[0], region.size, region.low % ALIGNMENT, self.at_front)
            ctypes.memmove(region.copy, region.low, region.size)
            for i in region.members:
                start = self.arrays[i].ctypes.data
                self.address[i] = np.array(region.copy + start - region.low, np.uint64)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        machine().emulator_free_arrays()

    def stained(self) -> int | None:
        """Return the first argument beside which the kernel wrote, or None."""
        for region in self._regions:
            if not machine().emulator_array_intact(region.members[0]):
                return region.members[0]
        return None

    def copy_back(self, written: set[int]) -> None:
        """Move what the kernel wrote into the arrays of the caller."""
        for region in self._regions:
            if written.intersection(region.members):
                ctypes.memmove(region.low, region.copy, region.size)


class Region:
    """Memory from `low` to `high` that belongs to some arguments."""

    def __init__(self, low: int, high: int, member: int) -> None:
        self.low, self.high, self.members, self.copy = low, high, [member], 0

    @property
    def size(self) -> int:
        return self.high - self.low


def merge(arrays: dict[int, npt.NDArray[Any]]) -> list[Region]:
    """Return the memory of all arrays by number, where they overlap as one region."""
    regions: list[Region] = []
    for low, high, i in sorted((*np.lib.array_utils.byte_bounds(array), i) for i, array in arrays.items()):
        if regions and low < regions[-1].high:
            regions[-1].high = max(regions[-1].high, high)
            regions[-1].members.append(i)
        else:
            regions.append(Region(low, high, i))
    return regions
