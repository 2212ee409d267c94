"""Reductions along one axis of any view: sums, largest elements, inner products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minisgd.backend.cuda.kernels.shapes import blocks, require_shape, stride
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Macros, definition
from minisgd.backend.cuda.workload import LONG, REAL, Device, Floor, Workload, Workloads
from minisgd.errors import DtypeError, ShapeError
from minisgd.typing import Array

SUM, MAX, ARGMAX, DOT = range(4)
DEEP = 64
"""Elements of a column from which on a deep block is worth it."""
SCHEDULES = ({"WIDE": 32, "DEEP": 8}, {"WIDE": 1, "DEEP": 256})
"""For neighbouring columns, and for columns whose own elements are neighbours."""
SLAB = 2048
"""Elements of a column that one block reduces, where a second launch joins the slabs."""
MOST_SLABS = 256

_STRIDES = "x_outer x_apart x_inner y_outer y_apart y_inner out_outer out_slab out_inner"


def _definition(source: str, result: str, folds: tuple[int, ...]) -> Definition:
    c_types = {"real": "REAL", "bool": "bool", "int64": "long long"}
    variants: tuple[Macros, ...] = tuple(
        {**schedule, "SOURCE": c_types[source], "RESULT": c_types[result], "FOLD": fold}
        for fold in folds
        for schedule in SCHEDULES
    )
    arrays = f"x~:{source} y~?:{source} out~:{result}"
    return definition("fold", variants, "fold", arrays, "inner", f"n slab {_STRIDES}")


REALS = _definition("real", "real", (SUM, MAX, DOT))
FLAGS = _definition("bool", "real", (SUM,))
POSITIONS = _definition("real", "int64", (ARGMAX,))

DEFINITIONS = (REALS, FLAGS, POSITIONS)


class Fold:
    """Reductions of x (outer, n, inner) to out (outer, inner), both any views.

    workspace: `workspace` elements for sums of long columns; without it one block reduces each.
    """

    def __init__(self, library: KernelLibrary) -> None:
        self.library = library

    def workspace(self, outer: int, n: int, inner: int) -> int:
        """Return the elements of workspace that a sum of long columns wants, 0 for short ones."""
        return outer * _slabs(n) * inner if n > SLAB else 0

    def sum(self, x: Array, out: Array, *, workspace: Array | None = None) -> None:
        """out = Σ x;  x real or bool"""
        self._long(FLAGS if x.dtype == np.bool_ else REALS, SUM, x, None, out, workspace)

    def dot(self, x: Array, y: Array, out: Array, *, workspace: Array | None = None) -> None:
        """out = Σ x y"""
        require_shape(y, "fold: y", x.shape)
        self._long(REALS, DOT, x, y, out, workspace)

    def max(self, x: Array, out: Array) -> None:
        """out = the largest element; NaN wins"""
        self._launch(REALS, MAX, x, None, out[:, None], x.shape[1])

    def argmax(self, x: Array, out: Array) -> None:
        """out = the index of the first largest element, int64"""
        self._launch(POSITIONS, ARGMAX, x, None, out[:, None], x.shape[1])

    def _long(
        self, definition: Definition, fold: int, x: Array, y: Array | None, out: Array, workspace: Array | None
    ) -> None:
        outer, n, inner = x.shape
        needed = self.workspace(outer, n, inner)
        if not needed or workspace is None:
            self._launch(definition, fold, x, y, out[:, None], n)
            return
        if workspace.size < needed:
            expected, fix = f"at least {needed} elements", "size it with workspace()"
            raise ShapeError("fold: workspace", expected=expected, got=workspace.shape, fix=fix)
        slabs = _slabs(n)
        partial = workspace.reshape(-1)[:needed].reshape(outer, slabs, inner)
        self._launch(definition, fold, x, y, partial, blocks(n, slabs))
        self._launch(REALS, SUM, partial, None, out[:, None], slabs)

    def _launch(self, definition: Definition, fold: int, x: Array, y: Array | None, out: Array, slab: int) -> None:
        """Reduce slabs of x.  out (outer, slabs, inner)"""
        if x.shape[2] == 1:  # many rows are columns far apart: a grid is long only in its first direction
            x, out, y = x.swapaxes(0, 2), out.swapaxes(0, 2), None if y is None else y.swapaxes(0, 2)
        outer, n, inner = x.shape
        require_shape(out, "fold: out", (outer, blocks(n, slab), inner))
        if definition is not FLAGS and x.dtype != self.library.dtype:
            raise DtypeError(
                "fold: x", expected=f"an array of {self.library.dtype}", got=x.dtype, fix="convert it with copy first"
            )
        along = n > DEEP and (inner == 1 or abs(stride(x, 1)) < abs(stride(x, 2)))
        schedule = SCHEDULES[1 if along else 0]
        macros = next(
            v for v in definition.variants if v["FOLD"] == fold and all(v[name] == schedule[name] for name in schedule)
        )
        self.library.kernel(definition, **macros)(
            (blocks(inner, schedule["WIDE"]), outer, blocks(n, slab)), (schedule["WIDE"], schedule["DEEP"], 1),
            x, y, out, inner, n, slab,
            *(stride(a, axis) for a in (x, y, out) for axis in range(3)),
        )  # fmt: skip


def _slabs(n: int) -> int:
    return blocks(n, blocks(n, min(MOST_SLABS, blocks(n, SLAB))))


# ------------------------------------------------ what is timed


def folds(device: Device, n: int, C: int) -> Iterator[Workload]:
    """Yield the reductions of n rows of C: down the columns, as a bias gradient, and along them."""
    fold, x, y = Fold(device.library), device.reals(1, n, C), device.reals(1, n, C)
    down, along = device.reals(1, C), device.reals(n, 1)
    work, shape = device.reals(max(1, fold.workspace(1, n, C), fold.workspace(n, C, 1))), f"{n}x{C}"
    rows, position = x.reshape(n, C, 1), device.xp.zeros((n, 1), np.int64)
    flags = device.xp.zeros((1, n, C), np.bool_)
    once, twice = Floor(REAL * n * C), Floor(2 * REAL * n * C)
    for name, run, floor in (
        ("down", lambda: fold.sum(x, down, workspace=work), once),
        ("dot_down", lambda: fold.dot(x, y, down, workspace=work), twice),
        ("max_down", lambda: fold.max(x, down), once),
        ("flags_down", lambda: fold.sum(flags, down, workspace=work), Floor(n * C)),
        ("along", lambda: fold.sum(rows, along), once),
        ("argmax_along", lambda: fold.argmax(rows, position), Floor(REAL * n * C + LONG * n)),
    ):
        yield Workload(f"fold_{name}_{shape}", run, floor, {"fold": floor})


WORKLOADS = Workloads(folds, natural=({"n": 1 << 16, "C": 256},), miniature=({"n": 40, "C": 8},))
