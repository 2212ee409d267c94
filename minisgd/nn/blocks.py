"""A few images at a time: what one operation leaves in the cache, the next one finds there."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from minisgd.nn.shapes import reshaped
from minisgd.typing import Array, Shape

BLOCK = 1 << 16
"""Elements worked on at a time: a few arrays of so many fit into a second-level cache."""


def images_at_a_time(x: Shape) -> int:
    """Return how many images make a block.  x (B, H, W, C)"""
    return max(1, min(x[0], BLOCK // prod(x[1:])))


def blocks(batch: int, n: int, axis: int) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Yield the blocks of n images, the last one shorter, and as many images at the front of a work array.

    Both are indices of arrays (…, B, …) with ``axis`` axes before the batch axis.
    """
    replicas = [slice(None)] * axis
    for start in range(0, batch, n):
        stop = min(start + n, batch)
        yield (*replicas, slice(start, stop)), (*replicas, slice(0, stop - start))


def as_runs(x: Array) -> Array:
    """Return every image as one run of numbers.  x (…, B, H, W, C)   result (…, B, H·W·C)"""
    return reshaped(x, (*x.shape[:-3], prod(x.shape[-3:])))
