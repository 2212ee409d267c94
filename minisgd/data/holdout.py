"""Holding a part of the training examples out for validation."""

from __future__ import annotations

import numpy as np

from minisgd.data.labels import Classes
from minisgd.data.split import Split
from minisgd.data.splitting import hold_out
from minisgd.errors import ArgumentError, DataError
from minisgd.typing import Generator, HostArray, Seed

_SURE = 10  # examples expected of a class before its absence proves that the file is not shuffled: chance e⁻¹⁰


def divided(split: Split, fraction: float, classes: Classes | None, seed: Seed) -> tuple[Split, Split | None]:
    """Return the part that stays and the part held out, None for fraction 0.

    In memory the part held out is drawn by seed, every class in both parts, and the file's order is kept within each.
    Of a memory-mapped x it is the last rows, as views: a file that may exceed memory is not copied to shuffle it.

    Raises:
        ArgumentError: For a fraction outside [0, 1).
        DataError: Where nothing can be held out or a class gets lost.
    """
    if not 0 <= fraction < 1:
        raise ArgumentError(
            "validation", expected="a fraction in [0, 1), or (x, y)", got=fraction, fix="use 0.2, or 0 for none"
        )
    if fraction == 0:
        return split, None
    groups = strata(split, classes)
    if isinstance(split.x, np.memmap):
        cut = len(split) - max(1, round(fraction * len(split)))
        _check_shuffled(groups, cut, classes)
        return split.take(slice(cut)), split.take(slice(cut, None))
    stay, held = hold_out(groups, fraction, generator(seed))
    return split.take(stay), split.take(held)


def strata(split: Split, classes: Classes | None) -> HostArray:
    """Return the class of every example (N,), the likeliest for soft labels; zeros for regression."""
    if classes is None:
        return np.zeros(len(split), dtype=np.int64)
    return split.y if split.y.ndim == 1 else split.y.argmax(axis=1)


def generator(seed: Seed) -> Generator:
    """Return the generator of a seed; raises ArgumentError for anything but an integer ≥ 0."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ArgumentError("seed", expected="an integer ≥ 0", got=seed, fix="use 0")
    return np.random.default_rng(seed)


def _check_shuffled(groups: HostArray, cut: int, classes: Classes | None) -> None:
    """Refuse to cut a file at row cut where that takes a class out of either part."""
    total, kept = np.bincount(groups), np.bincount(groups[:cut], minlength=int(groups.max()) + 1)
    lost = (total > 0) & (kept == 0)
    absent = (kept == total) & (total * (1 - cut / len(groups)) >= _SURE)
    for missing, part in ((lost, "training"), (absent, "validation")):
        if missing.any():
            example = f"example of class {classes[int(missing.argmax())]!r}" if classes else "example"
            raise DataError(
                "x",
                expected="in shuffled order, since validation takes the last rows of a memory-mapped file",
                got=f"an order that leaves no {example} in the {part} part",
                fix="shuffle the file once, or np.savez('data.npz', x=x, y=y), which is read into memory and shuffled",
            )
