"""Rows added where an index says, some of them more than once: what ``take`` does, backward."""

from __future__ import annotations

import numpy as np

from minisgd.typing import HostArray

SCATTERED = 1 << 14
"""Elements that are scattered at a time: their numbers stay in the cache."""


def element_numbers(a: HostArray) -> tuple[HostArray, HostArray]:
    """Return the numbers of the columns of a, and room for the element numbers of some of its rows.  a (N, C)"""
    c = a.shape[1]
    return np.arange(c), np.empty((min(len(a), max(1, SCATTERED // c)), c), np.int64)


def add_rows_into(
    a: HostArray, index: HostArray, columns: HostArray, at: HostArray, out: HostArray, cleared: bool
) -> None:
    """out = 0, then out[index_n] += a_n in order.

    at: room for the element numbers of some rows   cleared: rows that index does not name are 0 already
    """
    out[index if cleared else ...] = 0
    flat = out.reshape(-1)
    # NumPy adds at single elements eight times faster than at rows
    for start in range(0, len(a), len(at)):
        some = index[start : start + len(at)]
        where = at[: len(some)]
        np.multiply(some[:, None], len(columns), out=where)
        np.add(where, columns, out=where)
        np.add.at(flat, where.reshape(-1), a[start : start + len(at)].reshape(-1))
