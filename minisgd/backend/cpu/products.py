"""Matrix products of small batches, cut into pieces that the BLAS multiplies without packing.

OpenBLAS copies both operands of a product into a layout of its own before it multiplies. For a batch of 8
against a weight matrix of 784 × 256 the copy takes longer than the product. Products of at most 10⁶
multiplications have a way of their own on processors with AVX-512, which reads the operands where they are: so a
larger product is cut along its result, every piece below that limit. For large batches packing pays; and elsewhere the
cut costs little: what is copied again for every piece is the small operand.

Every number of the result is the same sum over the whole inner dimension as before; only its rounding may differ.
"""

from __future__ import annotations

import numpy as np

from minisgd.typing import HostArray

MULTIPLICATIONS = 1_000_000
"""Below so many, OpenBLAS does not pack (its 100³)."""

RESULTS_OF_TRANSPOSED = 1024
"""With b transposed, it does not pack for results of up to about so many numbers."""

SMALL = 32
"""Batch up to which the pieces are faster than one packed product."""

TILE = 16
"""float32 numbers in a register; pieces are multiples of it."""

CACHED = 1 << 20
"""Bytes of b that stay in the second-level cache while narrow pieces read it again and again."""

Piece = tuple[HostArray, HostArray, HostArray]


def pieces(a: HostArray, b: HostArray, out: HostArray) -> list[Piece]:
    """Return the products that together are out = a b; one where cutting gains nothing.

    a (…, M, K)   b (…, K, N)   out (…, M, N)   the pieces of one replica, then those of the next: its operands
    stay in the cache
    """
    m, n = out.shape[-2:]
    rows, columns = piece_shape(a, b, out)
    if rows >= m and columns >= n:
        return [(a, b, out)]
    lead = out.shape[:-2]
    a, b = (np.broadcast_to(operand, lead + operand.shape[-2:]) for operand in (a, b))
    return [
        (a[replica][i : i + rows], b[replica][:, j : j + columns], out[replica][i : i + rows, j : j + columns])
        for replica in np.ndindex(lead)
        for i in range(0, m, rows)
        for j in range(0, n, columns)
    ]


def piece_shape(a: HostArray, b: HostArray, out: HostArray) -> tuple[int, int]:
    """Return how many rows and columns of the result a piece has."""
    m, n = out.shape[-2:]
    k = a.shape[-1]
    small = min(m, k)  # the batch: rows of x and dy, or what xᵀ dy sums over
    if out.dtype != np.float32 or not 1 < small <= SMALL:
        return m, n
    if _transposed(b):
        return (m, n) if _transposed(a) else (m, _columns_of_transposed(m, k, n))
    if m * k * n <= MULTIPLICATIONS:
        return m, n
    if _transposed(a):
        return (_rows(m, k, n) if k == small else m), n
    return m, (_columns(m, k, n) if m == small else n)


def _columns(m: int, k: int, n: int) -> int:
    """x W: columns of W, in as few pieces as the limit allows; narrow ones only of a W that stays in the cache."""
    fitting = MULTIPLICATIONS // (m * k)
    if fitting >= 4 * TILE:
        return min(n, 8 * TILE if fitting >= 8 * TILE else 4 * TILE)
    narrow = fitting >= 2 * TILE and 4 * k * n <= CACHED
    return 2 * TILE if narrow else n


def _rows(m: int, k: int, n: int) -> int:
    """xᵀ dy: rows of the result."""
    rows = MULTIPLICATIONS // (k * n) // TILE * TILE
    return rows if rows >= 2 * TILE else m


def _columns_of_transposed(m: int, k: int, n: int) -> int:
    """dy Wᵀ: rows of W. With a short inner dimension the packed product is as fast."""
    if m * n <= RESULTS_OF_TRANSPOSED or k < (64 if m <= SMALL // 2 else 128):
        return n
    columns = min(RESULTS_OF_TRANSPOSED // m, MULTIPLICATIONS // (m * k)) // TILE * TILE
    return columns or n


def _transposed(a: HostArray) -> bool:
    return a.strides[-1] != a.itemsize


def multiply_pieces(cut: list[Piece]) -> None:
    """Compute every piece."""
    for a, b, out in cut:
        np.matmul(a, b, out)
