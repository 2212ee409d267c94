"""Matrix products cut into pieces that the BLAS multiplies without packing.

OpenBLAS copies both operands of a product into a layout of its own before it multiplies. For a batch of 8
against a weight matrix of 784 × 256 the copy takes longer than the product, and for one of 128 still a tenth of it. On
processors with AVX-512 it has a second way, for products of at most 10⁶ multiplications, which reads the operands
where they are: there a larger product is cut along its result, every piece below that limit. On other processors,
and where the sums are long, packing pays.

Every number of the result is the same sum over the whole inner dimension as before; only its rounding may differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import ceil

import numpy as np

from minisgd.backend.cpu.threads import blas_info
from minisgd.typing import HostArray

MULTIPLICATIONS = 1_000_000
"""Below so many, OpenBLAS does not pack (its 100³)."""

RESULTS_OF_TRANSPOSED = 1024
"""With b transposed, it does not pack for results of up to about so many numbers."""

WITHOUT_PACKING = {"SkylakeX", "Cooperlake", "SapphireRapids"}
"""OpenBLAS's names of the processors for which it has that way; those by AMD count as their equals by Intel."""

COLUMNS, ROWS = 64, 48
"""Of a piece: columns fill registers, and so many rows with them stay in the first-level cache."""

CACHED = 1 << 19
"""Bytes of b's columns, which one piece after the other reads, that stay in the second-level cache."""

BLOCK = 512
"""Rows of the result that are finished before the next ones are begun: those of a stay in the cache."""

LONGEST = 256
"""Inner dimension of xᵀ dy up to which pieces are faster: then the rows of both are few."""

MOST = 256
"""Pieces of a matrix: each is a call."""

Operands = tuple[HostArray, HostArray, HostArray]


@dataclass(frozen=True)
class Pieces:
    """Pieces of a product that lie one below the other: their operands together, and how many rows each has.

    a (…, len · rows, K)   b (…, K, columns)   out (…, len · rows, columns)
    """

    operands: Operands
    rows: int

    def __len__(self) -> int:
        height: int = self.operands[2].shape[-2]
        return height // self.rows

    def at(self, k: int) -> Operands:
        """Return the operands of piece k."""
        a, b, out = self.operands
        here = slice(k * self.rows, (k + 1) * self.rows)
        return a[..., here, :], b, out[..., here, :]


@cache
def reads_in_place() -> bool:
    """Tell whether the BLAS of this process multiplies small matrices without packing them."""
    return any(blas.get("architecture") in WITHOUT_PACKING for blas in blas_info())


def pieces(a: HostArray, b: HostArray, out: HostArray) -> Iterator[Pieces]:
    """Yield the products that together are out = a b; one where cutting gains nothing.

    a (…, M, K)   b (…, K, N)   out (…, M, N)   those that share columns of b follow one another: they stay in the cache
    """
    m, n = out.shape[-2:]
    rows, columns = piece_shape(a, b, out)
    block = max(1, BLOCK // rows) * rows
    for top in range(0, m, block):
        end = min(top + block, m)
        short = end - (end - top) % rows
        for j in range(0, n, columns):
            for i, low, each in ((top, short, rows), (short, end, end - short)):
                if i < low:
                    operands = a[..., i:low, :], b[..., j : j + columns], out[..., i:low, j : j + columns]
                    yield Pieces(operands, each)


def piece_shape(a: HostArray, b: HostArray, out: HostArray) -> tuple[int, int]:
    """Return how many rows and columns of the result a piece has."""
    m, n = out.shape[-2:]
    k = a.shape[-1]
    small = m * k * n <= MULTIPLICATIONS and not _transposed(b)
    if out.dtype != np.float32 or min(m, k) < 2 or small or not reads_in_place():
        return m, n
    if _transposed(b):
        rows, columns = (m, n) if _transposed(a) else _of_transposed(m, k, n)
    elif _transposed(a) and k > LONGEST:
        rows, columns = m, n
    else:
        rows, columns = _plain(m, k, n)
    rows = _even(m, rows)
    return (rows, columns) if ceil(m / rows) * ceil(n / columns) <= MOST else (m, n)


def _plain(m: int, k: int, n: int) -> tuple[int, int]:
    """x W and xᵀ dy: as many rows as the limit allows, unless b's columns would be fetched from memory too often."""
    columns = min(n, COLUMNS)
    rows = min(MULTIPLICATIONS // (k * columns), ROWS) // 4 * 4
    worth = rows and (4 * k * columns <= CACHED or m <= 2 * rows)
    return (rows, columns) if worth else (m, n)


def _of_transposed(m: int, k: int, n: int) -> tuple[int, int]:
    """dy Wᵀ: with a short inner dimension, or a large batch, the packed product is as fast."""
    if k < (64 if m <= 64 else 128) or m > 256:
        return m, n
    rows = min(m, 16)
    columns = min(RESULTS_OF_TRANSPOSED // rows, MULTIPLICATIONS // (rows * k)) // 16 * 16
    return (rows, columns) if columns else (m, n)


def _even(n: int, most: int) -> int:
    """Return the extent of pieces that are about equal, at most so large; a multiple of 4 where there are several."""
    parts = ceil(n / most)
    return n if parts == 1 else min(most, ceil(n / (4 * parts)) * 4)


def _transposed(a: HostArray) -> bool:
    return a.strides[-1] != a.itemsize


def multiply_pieces(a: HostArray, b: HostArray, out: HostArray) -> None:
    """Compute out = a b piece by piece."""
    for piece in pieces(a, b, out):
        for k in range(len(piece)):
            np.matmul(*piece.at(k))


def multiply_padded(a: HostArray, b: HostArray, tall: HostArray, wide: HostArray, out: HostArray) -> None:
    """Compute out = a b for an inner dimension of one, padded to two by the zeros of tall and wide.

    a (…, M, 1)   b (…, 1, N)   tall (…, M, 2)   wide (…, 2, N)   out (…, M, N)
    """
    np.copyto(tall[..., :1], a)
    np.copyto(wide[..., :1, :], b)
    np.matmul(tall, wide, out)
