"""How a batch is cut into ghost batches (Hoffer et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from minisgd.errors import ShapeError
from minisgd.nn.shapes import rows
from minisgd.typing import Array

if TYPE_CHECKING:
    from minisgd.nn.layers.batch_norm import BatchNorm


def ghost_batches(layer: BatchNorm) -> list[slice]:
    """Return which examples are normalised together: runs of ``ghost``, all of them where it is None.

    What is left over at the end forms a smaller ghost batch, or joins the one before it where it would be a single
    value per channel.

    Raises:
        ShapeError: If a ghost batch would have a single value per channel, and so no variance.
    """
    batch, *image = layer.y.shape[len(layer.lead) : -1]
    per_example = image[0] * image[1] if image else 1  # values per channel
    size = min(layer.ghost or batch, batch)
    starts = list(range(0, batch, size))
    if len(starts) > 1 and (batch - starts[-1]) * per_example == 1:
        starts.pop()
    runs = [slice(a, b) for a, b in zip(starts, [*starts[1:], batch], strict=True)]
    together = layer.batch if len(runs) == 1 else min(run.stop - run.start for run in runs)
    if together * per_example == 1:
        raise ShapeError(
            f"{layer.label}: x",
            expected="at least two values per channel in training",
            got=f"a batch of {batch}, normalised {size} at a time",
            fix="use a larger batch, drop the short last batch (last_batch='drop'), or use ms.LayerNorm",
        )
    return runs


def each_ghost(layer: BatchNorm, first: Array, *others: Array | None) -> Iterator[Any]:
    """Yield of each ghost batch the index of its statistics (…, G, 1, C), n, and its part of the arrays, (…, n, C).

    first, others: of the batch, (…, B, C) or (…, B, H, W, C)
    """
    for g, examples in enumerate(ghost_batches(layer)):
        part = (*[slice(None)] * len(layer.lead), examples)
        x = rows(first[part], layer.lead)
        rest = (None if a is None else rows(a[part], layer.lead) for a in others)
        yield (..., g, slice(None), slice(None)), x.shape[-2], x, *rest
