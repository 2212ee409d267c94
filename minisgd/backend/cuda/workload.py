"""A workload of kernels, and the least that a device must do for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from minisgd.backend.cuda.kernels.splits import Workspace
from minisgd.backend.cuda.launcher import KernelLibrary
from minisgd.typing import Array, HostArray

REAL, LONG = 4, 8
"""Bytes of a float32 and of an int64."""


@dataclass(frozen=True)
class Floor:
    """The bytes that must move, or the floating-point operations that must be done: the one that limits."""

    bytes: int = 0
    flop: int = 0

    def seconds(self, peaks: Mapping[str, Any]) -> float | None:
        """Return the time at the peak rate of a device, or None where the device does not tell its peak."""
        amount, peak = (
            (self.flop, peaks["peak_flop_per_second"]) if self.flop else (self.bytes, peaks["peak_bytes_per_second"])
        )
        return amount / peak if peak else None


@dataclass(frozen=True)
class Workload:
    """A call as training makes it, its floor, and a floor for each kernel that it launches.

    The floor of the whole is what the task needs, so it leaves out what a kernel moves only for another's sake,
    partial sums for instance; the floor of a kernel counts all that this kernel must move.
    """

    name: str
    run: Callable[[], None]
    floor: Floor
    kernels: Mapping[str, Floor] = field(default_factory=dict)


@cache
def _block() -> HostArray:
    """Return random numbers, to be repeated where more are wanted: drawing all of them would take too long."""
    return np.random.default_rng(0).random(1_000_003, np.float32)


@dataclass(frozen=True)
class Device:
    """What workloads need to know of a device: its array module, its kernels, and how to find an array.

    copies: whether it copies to shared memory by itself
    """

    xp: Any
    library: KernelLibrary
    address: Callable[[Array], int]
    multiprocessors: int
    copies: bool = False

    def reals(self, *shape: int) -> Array:
        """Return an array of random numbers from 0 to 1 in the dtype of the kernels."""
        array: Array = self.xp.asarray(np.resize(_block(), shape))
        return array

    def workspace(self, elements: int) -> Workspace:
        """Return room for so many partial results."""
        return Workspace(self.reals(max(2, elements)), self.xp.zeros(max(1, elements // 2), np.int32))


@dataclass(frozen=True)
class Workloads:
    """What is timed of the kernels of one file: how to make it, at the size they were written for, and for an emulator.

    make: yields workloads on a device, for sizes by name
    """

    make: Callable[..., Iterator[Workload]]
    natural: Sequence[Mapping[str, int]]
    miniature: Sequence[Mapping[str, int]]
