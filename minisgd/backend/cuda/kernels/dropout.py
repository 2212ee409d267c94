"""Dropout from a counter: the mask of the CPU, bit for bit, and stored nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minisgd.backend.cuda.kernels.shapes import blocks, require_shape
from minisgd.backend.cuda.launcher import KernelLibrary, definition
from minisgd.backend.cuda.workload import REAL, Device, Floor, Workload, Workloads
from minisgd.typing import Array

BLOCK = 128
MACROS = {"BLOCK": BLOCK}
WORDS_PER_COUNTER = 4

_ARRAYS, _SIZES = "seeds:uint64 clock:int64", "stream:uint64 n:int64"
DROPOUT = definition("dropout", (MACROS,), "dropout", f"x y {_ARRAYS}", _SIZES, reals="p scale")
UNIFORM = definition("dropout", (MACROS,), "draw_uniform", f"u {_ARRAYS}", _SIZES)

DEFINITIONS = (DROPOUT, UNIFORM)


class Dropout:
    """Dropout with the formulas of `minisgd.Dropout` and the numbers of `Ops.uniform`.

    x, y (R, …)   seeds (R,) uint64   clock () int64   stream: one number per layer
    """

    def __init__(self, library: KernelLibrary) -> None:
        self._dropout, self._uniform = library.kernel(DROPOUT, **MACROS), library.kernel(UNIFORM, **MACROS)
        self._draws = WORDS_PER_COUNTER * 8 // library.dtype.itemsize

    def __call__(self, x: Array, y: Array, seeds: Array, clock: Array, stream: int, *, p: float) -> None:
        """y = x m / (1 − p), m = [u ≥ p];  the gradient is the same of dy. y may be x"""
        require_shape(y, "dropout: y", x.shape)
        grid, n = self._shape(x, seeds)
        self._dropout(grid, (BLOCK, 1, 1), x, y, seeds, clock, stream, n, p, 1 / (1 - p))

    def uniform(self, u: Array, seeds: Array, clock: Array, stream: int) -> None:
        """u = the numbers of `Ops.uniform`"""
        grid, n = self._shape(u, seeds)
        self._uniform(grid, (BLOCK, 1, 1), u, seeds, clock, stream, n)

    def _shape(self, x: Array, seeds: Array) -> tuple[tuple[int, int, int], int]:
        R = x.shape[0]
        require_shape(seeds, "dropout: seeds", (R,))
        n = x.size // R
        return (blocks(n, BLOCK * self._draws), R, 1), n


# ------------------------------------------------ what is timed


def dropout(device: Device, n: int) -> Iterator[Workload]:
    """Yield dropout of n numbers, and the draw of as many."""
    drop, x, y = Dropout(device.library), device.reals(1, n), device.reals(1, n)
    seeds, clock = device.xp.zeros(1, np.uint64), device.xp.zeros((), np.int64)
    floor, write = Floor(2 * REAL * n), Floor(REAL * n)
    yield Workload("dropout", lambda: drop(x, y, seeds, clock, 0, p=0.5), floor, {"dropout": floor})
    yield Workload("draw_uniform", lambda: drop.uniform(y, seeds, clock, 0), write, {"draw_uniform": write})


WORKLOADS = Workloads(dropout, natural=({"n": 1 << 24},), miniature=({"n": 1000},))
