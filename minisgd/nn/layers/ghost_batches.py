"""How a batch is cut into ghost batches (Hoffer et al. 2017)."""

from __future__ import annotations

from minisgd.errors import ShapeError


def ghost_batches(batch: int, per_example: int, ghost: int | None, label: str) -> list[slice]:
    """Return which examples are normalised together: runs of ``ghost``, all of them where it is None.

    What is left over at the end forms a smaller ghost batch, or joins the one before it where it would be a single
    value per channel.

    per_example: values of each example per channel   label: of the layer

    Raises:
        ShapeError: If a ghost batch would have a single value per channel, and so no variance.
    """
    size = min(ghost or batch, batch)
    starts = list(range(0, batch, size))
    if len(starts) > 1 and (batch - starts[-1]) * per_example == 1:
        starts.pop()
    runs = [slice(a, b) for a, b in zip(starts, [*starts[1:], batch], strict=True)]
    if min(run.stop - run.start for run in runs) * per_example == 1:
        raise ShapeError(
            f"{label}: x",
            expected="at least two values per channel in training",
            got=f"a batch of {batch}, normalised {size} at a time",
            fix="use a larger batch, drop the short last batch (last_batch='drop'), or use ms.LayerNorm",
        )
    return runs
