"""Matrix products on the GPU: by our kernels, which a CUDA graph may hold, or by cuBLAS, which CuPy keeps out of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.backend.cuda.device_kernels import CudaKernels
from minisgd.backend.cuda.kernels.affine import Affine
from minisgd.backend.cuda.kernels.shapes import stride
from minisgd.backend.cuda.views import stacks
from minisgd.typing import Array

TABLE = Path(__file__).with_name("products.csv")


@dataclass(frozen=True)
class Row:
    """From which size on a way to multiply is taken.

    flop: of one replica   side: the smallest of M, N and K   basis: "measured", or "estimated"
    """

    precision: str
    flop: float
    side: int
    choice: str
    basis: str


@cache
def table() -> tuple[Row, ...]:
    """Read the table of choices."""
    lines = (line for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return tuple(
        Row(row["precision"], float(row["flop"]), int(row["side"]), row["choice"], row["basis"])
        for row in csv.DictReader(lines)
    )


def chosen(precision: str, M: int, N: int, K: int) -> Row:
    """Return the last row of the table that a product (M, K) (K, N) reaches."""
    reached = [
        row
        for row in table()
        if row.precision == precision and 2.0 * M * N * K >= row.flop and min(M, N, K) >= row.side
    ]
    return reached[-1]


def pairs(xp: Any, *operands: Array) -> Iterator[tuple[Any, ...]]:
    """Yield the matrices of every replica, as CuPy gives them to cuBLAS at the precision that was set.

    A stack goes another way in CuPy (gemmStridedBatchedEx): always in full precision, and with a copy of every operand
    that is not C-contiguous, as transposed matrices and weights within a flat vector are not.
    """
    for parts in stacks(xp, operands[-1].shape[:-2], *operands):
        for r in range(parts[0].shape[0]):
            yield tuple(part[r] for part in parts)


def without_copies(xp: Any, *operands: Array) -> bool:
    """Tell whether cuBLAS takes the operands as they are: contiguous or transposed, the last one contiguous."""
    *factors, out = next(pairs(xp, *operands))
    return bool(out.flags.c_contiguous) and all(a.flags.c_contiguous or a.flags.f_contiguous for a in factors)


class ByCublas:
    """A product by cuBLAS, in the precision that was asked for and no other.

    Replicas are multiplied one by one: for a stack CuPy ignores the precision and copies operands, see `pairs`.

    uncapturable: why it is not one of our kernels
    """

    def __init__(self, xp: Any, precision: str, reason: str) -> None:
        self.xp, self.uncapturable = xp, reason
        self.settings = xp._core._routines_linalg
        tf32 = precision == "tf32"
        self.compute_type = self.settings.COMPUTE_TYPE_TF32 if tf32 else self.settings.COMPUTE_TYPE_FP32

    def __call__(self, matrices: Sequence[tuple[Array, Array, Array]]) -> None:
        # CuPy keeps this setting for the whole process, and others may have changed it
        self.settings.set_compute_type(np.float32, self.compute_type)
        for a, b, out in matrices:
            self.xp.matmul(a, b, out=out)


def multiply(xp: Any, kernels: CudaKernels, affine: Affine, a: Array, b: Array, bias: Array | None, out: Array) -> bool:
    """Launch out = a b + bias by our kernels; False, and nothing is launched, if no form of them fits the strides.

    a (…, M, K)   b (…, K, N)   bias (…, 1, N) or None   out (…, M, N)
    """
    if not _along_rows(out):
        # outᵀ = bᵀ aᵀ; with a bias it would not be one along the rows of outᵀ
        fits = bias is None and _along_rows(_transpose(out))
        return fits and multiply(xp, kernels, affine, _transpose(b), _transpose(a), None, _transpose(out))
    form = _along_rows(a), _along_rows(b)
    if not (all(form) or (bias is None and any(form) and all(map(_along_an_axis, (a, b))))):
        return False
    for x, W, row, y in stacks(xp, out.shape[:-2], a, b, bias, out):
        R, (M, K), N = x.shape[0], x.shape[-2:], W.shape[-1]
        sums = N if form == (False, True) else 0
        work = kernels.workspace(out.dtype, affine.workspace_of(R, M, N, K, sums=sums))
        if form == (True, True):
            affine.forward(x, W, row, y, workspace=work)
        elif form == (True, False):
            affine.input_gradient(x, _transpose(W), y, workspace=work)
        else:
            affine.weight_gradient(_transpose(x), W, y, None, workspace=work)
    return True


def _transpose(a: Array) -> Array:
    return a.swapaxes(-1, -2)


def _along_rows(a: Array) -> bool:
    return a.shape[-1] == 1 or stride(a, -1) == 1


def _along_an_axis(a: Array) -> bool:
    return _along_rows(a) or _along_rows(_transpose(a))
