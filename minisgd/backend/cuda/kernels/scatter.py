"""Scatter of rows: the gradient of an embedding, and rows that return to where a gather found them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minisgd.backend.cuda.kernels.shapes import blocks, require_int32, require_shape
from minisgd.backend.cuda.launcher import KernelLibrary, definition
from minisgd.backend.cuda.workload import LONG, REAL, Device, Floor, Workload, Workloads
from minisgd.typing import Array

BLOCK, WARPS = 256, 8
MACROS = {"BLOCK": BLOCK, "WARPS": WARPS}

ADD = definition("scatter", (MACROS,), "add_rows", "a index:int64 out", "N D V:int64")
PUT = definition("scatter", (MACROS,), "put_rows", "a index:int64 out", "elements D V:int64")

DEFINITIONS = (ADD, PUT)


class Scatter:
    """Rows added to, or written over, those that an index names.

    a (N, D)   index (N) int64, held to 0 … V − 1   out (V, D), whose other rows stay as they are
    """

    def __init__(self, library: KernelLibrary) -> None:
        self._add, self._put = library.kernel(ADD, **MACROS), library.kernel(PUT, **MACROS)

    def add(self, a: Array, index: Array, out: Array) -> None:
        """out[v] = Σ_{n: index_n = v} a_n for every v that occurs, added in the order of n"""
        (N, D), V = a.shape, len(out)
        _check("add_rows", a, index, out)
        self._add((N, blocks(D, 32), 1), (32, WARPS, 1), a, index, out, N, D, V)

    def put(self, a: Array, index: Array, out: Array) -> None:
        """out[index_n] = a_n"""
        _check("put_rows", a, index, out)
        self._put((blocks(a.size, BLOCK), 1, 1), (BLOCK, 1, 1), a, index, out, a.size, a.shape[1], len(out))


def _check(kernel: str, a: Array, index: Array, out: Array) -> None:
    require_shape(index, f"{kernel}: index", a.shape[:1])
    require_shape(out, f"{kernel}: out", (len(out), a.shape[1]))
    require_int32(a.size, f"{kernel}: a")


# ------------------------------------------------ what is timed


def scatters(device: Device, N: int, D: int, V: int) -> Iterator[Workload]:
    """Yield the gradient of N tokens of a vocabulary, every third of which occurs twice, and N rows that return."""
    scatter, a, out = Scatter(device.library), device.reals(N, D), device.reals(V, D)
    twice, once = (device.xp.asarray(n * 7919 % V) for n in (np.arange(N) * 3 // 4, np.arange(N)))
    floor = Floor(N * (2 * REAL * D + LONG))
    yield Workload("add_rows", lambda: scatter.add(a, twice, out), floor, {"add_rows": floor})
    yield Workload("put_rows", lambda: scatter.put(a, once, out), floor, {"put_rows": floor})


WORKLOADS = Workloads(scatters, natural=({"N": 2048, "D": 64, "V": 50_000},), miniature=({"N": 40, "D": 33, "V": 97},))
