"""The batch sizes at which an instrument measures."""

from __future__ import annotations

from collections.abc import Sequence

from minisgd.checks import as_items, is_integer
from minisgd.errors import ArgumentError
from minisgd.nn import Network

LARGEST = 1024
"""The largest batch size that is measured unless others are given."""


def choose_batch_sizes(given: Sequence[int] | None, network: Network, n: int) -> list[int]:
    """Return batch sizes in ascending order, by default powers of two that N examples allow.

    Raises:
        ArgumentError: Fewer than two are given, or one that is not an integer from 1 to N.
    """
    if given is None:
        least = 2 if network.couples_batch else 1  # a batch of one example has no variance
        given = [2**k for k in range(LARGEST.bit_length()) if least <= 2**k <= n]
    for size in as_items(given, "batch_sizes", f"integers from 1 to N = {n}", "write [1, 8, 64]"):
        if not is_integer(size) or not 1 <= size <= n:
            raise ArgumentError(
                "batch_sizes", expected=f"integers from 1 to N = {n}", got=size, fix="choose other sizes"
            )
    sizes = sorted({int(size) for size in given})
    if len(sizes) < 2:
        raise ArgumentError(
            "batch_sizes", expected="at least two, for a line", got=sizes, fix="use 1, 8, 64 and 512, for example"
        )
    return sizes
