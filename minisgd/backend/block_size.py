"""How finely a device wants a batch of images cut."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Grain:
    """What a device works on at a time, where layers have the choice.

    elements: of one array; a few arrays of so many fit into the cache   product: multiplications up to which a
    product of each image's own is faster than one of all images together
    """

    elements: int
    product: int


CACHED = Grain(1 << 16, 1_000_000)
"""A processor with a second-level cache, and OpenBLAS, which reads the operands of small products where they are."""

WHOLE = Grain(sys.maxsize, 0)
"""Everything at once, where every call is a launch."""
