"""Choosing examples at random while every class keeps its share."""

from __future__ import annotations

import numpy as np

from minisgd.errors import DataError
from minisgd.typing import Generator, HostArray


def hold_out(groups: HostArray, fraction: float, rng: Generator) -> tuple[HostArray, HostArray]:
    """Return the row numbers (in order) of the part that stays and of the part held out.

    groups (N,) holds the class of every example, or zeros where there are no classes. The part held out has
    round(fraction · N) examples, the shares of the classes kept. Every class with two examples or more is in both
    parts, which may cost a few examples more; the only example of a class stays.

    Raises:
        DataError: Where nothing can be held out.
    """
    counts = np.bincount(groups)
    least, most = np.minimum(1, np.maximum(counts - 1, 0)), np.maximum(counts - 1, 0)
    if not most.sum():
        raise DataError(
            "y",
            expected="labels with two examples of at least one class, so that a validation part can be held out",
            got=f"{len(groups)} examples, no two of one class",
            fix="add examples, pass validation=0, or pass numbers as floats for regression",
        )
    held = _mask(groups, allocate(counts, round(fraction * len(groups)), least, most), rng)
    return np.flatnonzero(~held), np.flatnonzero(held)


def sample(groups: HostArray, n: int, rng: Generator) -> HostArray:
    """Return n row numbers in order, the shares of the classes kept; every class is in it where n allows."""
    counts = np.bincount(groups)
    present = np.minimum(1, counts)
    least = present if present.sum() <= n else np.zeros_like(counts)
    return np.flatnonzero(_mask(groups, allocate(counts, n, least, counts), rng))


def allocate(counts: HostArray, total: int, least: HostArray, most: HostArray) -> HostArray:
    """Share total among classes in proportion to counts (C,), by largest remainder, least ≤ share ≤ most.

    The sum is total wherever the bounds allow it, and as near as they allow otherwise.
    """
    ideal = total * counts / counts.sum()
    share: HostArray = np.clip(np.floor(ideal).astype(np.int64), least, most)
    while missing := total - int(share.sum()):
        step = 1 if missing > 0 else -1
        movable = np.flatnonzero(share < most if missing > 0 else share > least)
        if not len(movable):
            break
        neediest = np.argsort(-step * (ideal - share)[movable], kind="stable")
        share[movable[neediest[: abs(missing)]]] += step
    return share


def _mask(groups: HostArray, share: HostArray, rng: Generator) -> HostArray:
    """Return a mask (N,) that is true for share[c] random examples of every class c."""
    shuffled = rng.permutation(len(groups))
    by_class = shuffled[np.argsort(groups[shuffled], kind="stable")]
    first = np.cumsum(np.bincount(groups)) - np.bincount(groups)
    place = np.arange(len(groups)) - first[groups[by_class]]  # place of each example within its class
    mask = np.zeros(len(groups), dtype=bool)
    mask[by_class] = place < share[groups[by_class]]
    return mask
