"""A few images at a time: what one operation leaves in the cache, the next one finds there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from minisgd.backend import NumpyOps
from minisgd.nn.layer import Layer
from minisgd.nn.shapes import reshaped
from minisgd.typing import Array, Shape


@dataclass(frozen=True)
class BlockSize:
    """How much a processor works on at a time.

    elements: of one array; a few arrays of so many fit into the cache   product: multiplications up to which a
    product of each image's own is faster than one of all images together
    """

    elements: int
    product: int


CACHED = BlockSize(1 << 16, 1_000_000)
"""A second-level cache, and OpenBLAS, which reads the operands of small products where they are."""


def images_per_block(layer: Layer, x: Shape) -> int:
    """Return how many images make a block: the same for all layers of a network, so that they work in turn.

    x (B, H, W, C)
    """
    return max(1, CACHED.elements // (layer.largest_image or prod(x[1:])))


def blocks(layer: Layer, ops: NumpyOps, x: Array) -> Iterator[tuple[Any, Any]]:
    """Yield the blocks of images x (…, B, H, W, C): one index for arrays of the batch, one for work arrays."""
    replicas = (slice(None),) * len(layer.lead)
    shape = x.shape[len(layer.lead) :]
    for some in ops.blocks(shape[0], min(shape[0], images_per_block(layer, shape))):
        yield (*replicas, some), (*replicas, slice(0, some.stop - some.start))


def as_runs(x: Array) -> Array:
    """Return every image as one run of numbers.  x (…, B, H, W, C)   result (…, B, H·W·C)"""
    return reshaped(x, (*x.shape[:-3], prod(x.shape[-3:])))
