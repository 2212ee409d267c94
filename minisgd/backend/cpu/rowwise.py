"""A narrow row against a tall matrix: y (…, M, C) = x (…, M, C) ∘ r (…, 1, C), with few channels C.

NumPy walks such arrays row by row, C numbers at a time, and spends more on beginning a row than on the row.
Seen as (…, M/k, k C), with r repeated k times, the same memory has long rows: three times faster for the
channels of images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from minisgd.backend.cpu.views import address, contiguous_axes, strided
from minisgd.typing import HostArray

NARROW = 128
"""Channels below which rows are worth joining."""

WIDE = 2048
"""Numbers in a joined row: enough that beginning one costs nothing, few enough that r stays in cache."""

TALL = 512
"""Rows below which the time gained does not pay for repeating r."""


@dataclass(frozen=True)
class Widened:
    """A call in its wide shape.

    row (…, 1, C)   repeated (…, 1, k C): where the row is repeated to, one of the operands   out (…, M/k, k C)
    """

    row: HostArray
    repeated: HostArray
    operands: tuple[HostArray, ...]
    out: HostArray

    def reading(self, repeated: HostArray) -> tuple[HostArray, ...]:
        """Return the operands with another array in which the row has been repeated."""
        return tuple(repeated if a is self.repeated else a for a in self.operands)

    def repeat(self) -> tuple[HostArray, HostArray]:
        """Return where to copy, (…, 1, k, C), and what, (…, 1, 1, C)."""
        *lead, c = self.row.shape
        return self.repeated.reshape(*lead, -1, c), self.row[..., None, :]


def widened(operands: tuple[Any, ...], out: HostArray) -> Widened | None:
    """Return the wide shape of a call, or None where it has none or would gain nothing."""
    if len(operands) != 2 or out.ndim < 2 or out.shape[-2] < TALL or out.shape[-1] >= NARROW:
        return None
    m, c = out.shape[-2:]
    rows = [a for a in operands if isinstance(a, np.ndarray) and a.ndim >= 2 and a.shape[-2:] == (1, c)]
    tall = [a for a in operands if isinstance(a, np.ndarray) and a.shape == out.shape]
    joined = max((k for k in range(1, WIDE // c + 1) if m % k == 0), default=1)
    if len(rows) != 1 or len(tall) != 1 or joined < 4 or any(a.dtype != out.dtype for a in (*rows, *tall)):
        return None
    if any(contiguous_axes(a) < 2 for a in (*tall, out)):
        return None
    (row,) = rows
    tiled = np.empty((*row.shape[:-2], 1, joined * c), out.dtype)
    wide = tuple(tiled if a is row else _wide(a, joined) for a in operands)
    return Widened(row, tiled, wide, _wide(out, joined))


def _wide(a: HostArray, joined: int) -> HostArray:
    *lead, m, c = a.shape
    return strided(a, (*lead, m // joined, joined * c), (*a.strides[:-2], joined * c * a.itemsize, a.itemsize))


class Repeats:
    """Rows that the first block of a loop has repeated, and the blocks after it find repeated."""

    def __init__(self) -> None:
        self._loop = 0
        self._known: dict[tuple[Any, ...], Widened] = {}

    def find(self, loop: int, wide: Widened) -> HostArray | None:
        """Return where the row has been repeated earlier in this loop, or None: then this call has to do it."""
        if loop != self._loop:
            self._loop, self._known = loop, {}
        row = wide.row
        key = (address(row), row.shape, row.strides, wide.repeated.shape)
        known = self._known.setdefault(key, wide)
        return None if known is wide else known.repeated

    def forget(self, out: HostArray) -> None:
        """Take note that an array is written, and with it the rows that lie there."""
        if self._known:
            low, high = byte_bounds(out)
            self._known = {k: wide for k, wide in self._known.items() if not _meets(wide.row, low, high)}


def _meets(row: HostArray, low: int, high: int) -> bool:
    first, end = byte_bounds(row)
    return first < high and low < end


def repeat_and_compute(
    repeat: tuple[HostArray, HostArray], function: Callable[..., Any], operands: tuple[HostArray, ...], out: HostArray
) -> None:
    """Repeat the row as it is now, and compute on the wide arrays."""
    np.copyto(*repeat)
    function(*operands, out=out)
