"""Sums along rows that repeat bit for bit: mean losses, norms, clipping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from minisgd.backend.cuda.kernels.shapes import blocks, require_shape
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Signature, array, scalar
from minisgd.backend.cuda.workload import REAL, Device, Floor, Workload, Workloads
from minisgd.errors import ShapeError
from minisgd.typing import Array

BLOCK = 256
FOLDER = Path(__file__).parent
MACROS = {"BLOCK": BLOCK}
SLAB = 16 * BLOCK
"""Elements of a row that one block adds up."""
IDENTITY, SQUARE = 0, 1
SCALE, ROOT, CLIP = range(3)

REDUCE = Definition(
    "reduce",
    Signature(
        "reduce",
        (
            array("x", "real"),
            array("out", "real"),
            scalar("n", "int64"),
            scalar("slab", "int64"),
            scalar("square", "int32"),
            scalar("finish", "int32"),
            scalar("number", "real"),
        ),
    ),
    (MACROS,),
    FOLDER,
)
SCALE_ROWS = Definition(
    "reduce",
    Signature("scale_rows", (array("g", "real"), array("factor", "real"), scalar("n", "int64"))),
    (MACROS,),
    FOLDER,
)

DEFINITIONS = (REDUCE, SCALE_ROWS)


class Reduce:
    """Sums along the rows of x (R, n), to out (R,) or (R, 1).

    workspace: `workspace(R, n)` elements for the partial sums of long rows; short rows need none.
    """

    def __init__(self, library: KernelLibrary) -> None:
        self._reduce = library.kernel(REDUCE, **MACROS)
        self._scale = library.kernel(SCALE_ROWS, **MACROS)

    def workspace(self, R: int, n: int) -> int:
        """Return the elements of workspace for rows of n."""
        return R * blocks(n, SLAB) if n > SLAB else 0

    def sum(self, x: Array, out: Array, *, workspace: Array | None = None) -> None:
        """out = Σ x"""
        self._run(x, out, IDENTITY, SCALE, 1.0, workspace)

    def mean(self, x: Array, out: Array, *, workspace: Array | None = None) -> None:
        """out = 1/n Σ x"""
        self._run(x, out, IDENTITY, SCALE, 1 / max(1, x.shape[1]), workspace)

    def squared_norm(self, x: Array, out: Array, *, workspace: Array | None = None) -> None:
        """out = Σ x²"""
        self._run(x, out, SQUARE, SCALE, 1.0, workspace)

    def norm(self, x: Array, out: Array, *, workspace: Array | None = None) -> None:
        """out = √Σ x²"""
        self._run(x, out, SQUARE, ROOT, 1.0, workspace)

    def clip(self, g: Array, factor: Array, max_norm: float, *, workspace: Array | None = None) -> None:
        """factor = c / max(c, |g|)    g ← factor · g,  c = max_norm"""
        self._run(g, factor, SQUARE, CLIP, float(max_norm), workspace)
        R, n = g.shape
        self._scale((blocks(n, BLOCK), R, 1), (BLOCK, 1, 1), g, factor, n)

    def _run(self, x: Array, out: Array, square: int, finish: int, number: float, workspace: Array | None) -> None:
        R, n = x.shape
        require_shape(out, "reduce: out", (R,) if out.ndim == 1 else (R, 1))
        needed = self.workspace(R, n)
        if needed:
            if workspace is None or workspace.size < needed:
                raise ShapeError(
                    "reduce: workspace",
                    expected=f"at least {needed} elements",
                    got="none" if workspace is None else workspace.shape,
                    fix="size it with workspace()",
                )
            slabs = blocks(n, SLAB)
            partial = workspace.reshape(-1)[:needed]
            self._reduce((slabs, R, 1), (BLOCK, 1, 1), x, partial, n, SLAB, square, SCALE, 1.0)
            x, n, square = partial, slabs, IDENTITY
        self._reduce((1, R, 1), (BLOCK, 1, 1), x, out, n, max(1, n), square, finish, number)


# ------------------------------------------------ what is timed


def reductions(device: Device, P: int) -> Iterator[Workload]:
    """Yield a sum, and clipping by the norm, of one vector."""
    reduce, g, out = Reduce(device.library), device.reals(1, P), device.reals(1)
    workspace, one_pass = device.reals(max(1, reduce.workspace(1, P))), Floor(REAL * P)
    yield Workload("sum", lambda: reduce.sum(g, out, workspace=workspace), one_pass, {"reduce": one_pass})
    yield Workload(
        "clip",
        lambda: reduce.clip(g, out, 1.0, workspace=workspace),
        Floor(3 * REAL * P),
        {"reduce": one_pass, "scale_rows": Floor(2 * REAL * P)},
    )


WORKLOADS = Workloads(reductions, natural=({"P": 1 << 24},), miniature=({"P": 8193},))
