"""Which batch sizes and which learning rates a study tries."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

from minisgd.checks import as_items, is_integer, is_number
from minisgd.errors import ArgumentError

PER_DECADE = 4
"""Learning rates to a decade: neighbours differ by 1.78, finer than the factor 2 that the usable range allows."""

HALF_WINDOW = 3
"""Learning rates tried on each side of the expected best one, at first."""


def default_batch_sizes(n: int) -> list[int]:
    """Return the powers of four below N, and N itself."""
    sizes = [4**k for k in range(n.bit_length()) if 4**k < n]
    # a power just short of N would say what the full batch says
    return [size for size in sizes if size <= 0.8 * n] + [n]


def resolve_batch_sizes(sizes: Sequence[Any] | None, n: int) -> list[int]:
    """Return batch sizes in ascending order; "full" is N.

    Raises:
        ArgumentError: The list is empty, or a size is neither "full" nor an integer from 1 to N.
    """
    if sizes is None:
        return default_batch_sizes(n)
    resolved = set()
    for size in as_items(sizes, "batch_sizes", f"integers from 1 to N = {n}, or 'full'", "write [16, 64]"):
        if size == "full":
            resolved.add(n)
        elif is_integer(size) and 1 <= size <= n:
            resolved.add(int(size))
        else:
            close = "did you mean 'full'?" if isinstance(size, str) and size.startswith("f") else "choose other sizes"
            raise ArgumentError("batch_sizes", expected=f"integers from 1 to N = {n}, or 'full'", got=size, fix=close)
    if not resolved:
        raise ArgumentError("batch_sizes", expected="at least one", got="none", fix="leave it out for the default")
    return sorted(resolved)


def resolve_learning_rates(rates: Sequence[Any] | None) -> list[float] | None:
    """Return the learning rates in ascending order, or None if the study is to find them.

    Raises:
        ArgumentError: The list is empty, or a rate is not positive and finite.
    """
    if rates is None:
        return None
    for rate in as_items(rates, "learning_rates", "positive numbers", "write [0.01, 0.1]"):
        if not is_number(rate) or not 0 < rate < float("inf"):
            raise ArgumentError(
                "learning_rates", expected="positive numbers", got=rate, fix="use 0.01 and 0.1, for example"
            )
    if not len(rates):
        raise ArgumentError("learning_rates", expected="at least one", got="none", fix="leave it out for a search")
    return sorted({float(rate) for rate in rates})


def lattice(k: int) -> float:
    """Return the k-th learning rate of the lattice 10^(k/4), rounded to three digits: 0.1, 0.178, 0.316, …"""
    return float(f"{10 ** (k / PER_DECADE):.3g}")


def nearest(lr: float) -> int:
    """Return the number of the lattice point nearest to a learning rate."""
    return round(PER_DECADE * log10(lr))


def window(center: int, half: int = HALF_WINDOW) -> list[int]:
    """Return the lattice points around a center, so many on each side."""
    return list(range(center - half, center + half + 1))
