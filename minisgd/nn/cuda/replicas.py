"""Replica axes as kernels want them: one of them, in front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from minisgd.nn.shapes import reshaped
from minisgd.typing import Array, Shape


def stacked(lead: Shape, *arrays: Array | None) -> list[Any]:
    """Return views (R, *core) of arrays (…, *core), … the replica axes; None stays None."""
    return [
        a if a is None or len(lead) == 1 else a[None] if not lead else reshaped(a, (-1, *a.shape[len(lead) :]))
        for a in arrays
    ]


def dense(lead: Shape, *arrays: Array | None) -> Iterator[Sequence[Any]]:
    """Yield the same, all of them contiguous: at once, or replica by replica where those lie apart.

    They do in a short batch, which takes the beginning of the memory of each replica.
    """
    whole = stacked(lead, *arrays)
    given = [a for a in whole if a is not None]
    if all(a.flags.c_contiguous for a in given):
        yield whole
        return
    for r in range(given[0].shape[0]):
        yield [None if a is None else a[r : r + 1] for a in whole]
