"""A few images at a time: what one operation leaves in the cache, the next one finds there."""

from __future__ import annotations

from math import prod

from minisgd.backend.block_size import Grain
from minisgd.nn.shapes import reshaped
from minisgd.typing import Array, Shape


def images_at_a_time(grain: Grain, *shapes: Shape) -> int:
    """Return how many images make a block, for arrays of images of these shapes (B, H, W, C)."""
    return max(1, grain.elements // max(prod(shape[1:]) for shape in shapes))


def as_runs(x: Array) -> Array:
    """Return every image as one run of numbers.  x (…, B, H, W, C)   result (…, B, H·W·C)"""
    return reshaped(x, (*x.shape[:-3], prod(x.shape[-3:])))
