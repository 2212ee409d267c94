"""Short runs: copies between arrays whose last axes are contiguous for a few numbers only, such as patches.

NumPy copies such arrays number by number within each run. Seen as elements as large as a run, each is moved at
once, in half the time where runs are short.
"""

from __future__ import annotations

from math import prod

from minisgd.backend.cpu.views import contiguous_axes, strided
from minisgd.typing import HostArray

LONGEST = 512
"""Bytes of a run beyond which beginning one costs nothing."""


def as_runs(a: HostArray, b: HostArray) -> tuple[HostArray, HostArray] | None:
    """Return both arrays with the longest run that both have as their elements, or None where it does not pay.

    a, b: of the same shape, (…, run); not both contiguous as a whole.
    """
    if a.dtype != b.dtype or a.shape != b.shape or not a.size:
        return None
    axes = min(contiguous_axes(a), contiguous_axes(b))
    length = prod(a.shape[a.ndim - axes :])
    if axes in (0, a.ndim) or not 1 < length <= LONGEST // a.itemsize:
        return None
    return _elements(a, axes, length), _elements(b, axes, length)


def _elements(a: HostArray, axes: int, length: int) -> HostArray:
    lead = a.ndim - axes
    joined = strided(a, (*a.shape[:lead], length), (*a.strides[:lead], a.itemsize))
    elements: HostArray = joined.view(f"V{length * a.itemsize}")[..., 0]
    return elements
