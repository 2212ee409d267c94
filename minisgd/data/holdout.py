"""Holding a part of the training examples out for validation, and drawing some: every class keeps its share."""

from __future__ import annotations

import numpy as np

from minisgd.checks import as_seed, is_number
from minisgd.data.labels import Classes
from minisgd.data.split import Split
from minisgd.errors import ArgumentError, DataError
from minisgd.typing import Generator, HostArray, Seed

_SPREADS = 6.0  # standard deviations beyond which a file is not in random order
_SHUFFLED_IN_MEMORY = 1 << 30  # bytes of features that are read into memory where the order of a file allows no cut


def divided(split: Split, fraction: float, classes: Classes | None, seed: Seed) -> tuple[Split, Split | None]:
    """Return the part that stays and the part held out, None for fraction 0.

    In memory the part held out is drawn by seed, every class in both parts, and the file's order is kept within each.
    Of a memory-mapped x it is the last rows, as views: a file that may exceed memory is not copied to shuffle it. One
    that is sorted by class is copied after all, up to 1 GiB.

    Raises:
        ArgumentError: For a fraction outside [0, 1).
        DataError: Where nothing can be held out, or a larger file is sorted by class.
    """
    if require_fraction(fraction) == 0:
        return split, None
    groups = strata(split, classes)
    if isinstance(split.x, np.memmap):
        cut = len(split) - max(1, round(fraction * len(split)))
        if cut and _is_shuffled(groups, cut):
            return split.take(slice(cut)), split.take(slice(cut, None))
        if cut and split.x.nbytes > _SHUFFLED_IN_MEMORY:
            raise _sorted_by_class(groups, cut, classes)
    stay, held = hold_out(groups, fraction, generator(seed))
    return split.take(stay), split.take(held)


def require_fraction(fraction: float | None) -> float:
    """Return a fraction in [0, 1), 0 for None, or refuse it."""
    if fraction is None:
        return 0.0
    if not is_number(fraction) or not 0 <= fraction < 1:
        raise ArgumentError(
            "validation", expected="a fraction in [0, 1), or (x, y)", got=fraction, fix="use 0.2, or 0 for none"
        )
    return float(fraction)


def strata(split: Split, classes: Classes | None) -> HostArray:
    """Return the class of every example (N,), the likeliest for soft labels; zeros where examples have none."""
    if classes is None or (split.y.dtype == np.int64 and split.y.ndim > 1):
        return np.zeros(len(split), dtype=np.int64)
    return split.y if split.y.ndim == 1 else split.y.argmax(axis=1)


def generator(seed: Seed) -> Generator:
    """Return the generator of a seed; raises ArgumentError for anything but an integer ≥ 0."""
    return np.random.default_rng(as_seed(seed))


def _is_shuffled(groups: HostArray, cut: int) -> bool:
    """Tell whether every class is on both sides of row cut in about the share that it has of all rows.

    Drawn at random, the number of a class beyond the cut has a standard deviation of at most √(n_c · f (1 − f)).
    """
    total, beyond, expected = _beyond(groups, cut)
    spread = np.sqrt(expected * cut / len(groups))
    alone = (total >= 2) & ((beyond == total) | ((beyond == 0) & (expected >= 1)))
    return bool(not alone.any() and (np.abs(beyond - expected) <= _SPREADS * spread + 1).all())


def _beyond(groups: HostArray, cut: int) -> tuple[HostArray, HostArray, HostArray]:
    """Return how many rows each class has, how many of them beyond the cut, and how many were to be expected, (C,)."""
    total = np.bincount(groups)
    return total, np.bincount(groups[cut:], minlength=len(total)), total * (1 - cut / len(groups))


def _sorted_by_class(groups: HostArray, cut: int, classes: Classes | None) -> DataError:
    total, beyond, expected = _beyond(groups, cut)
    worst = int(np.abs(beyond - expected).argmax())
    label = classes[worst] if classes else "examples"
    return DataError(
        "x",
        expected="in shuffled order, since validation takes the last rows of a memory-mapped file",
        got=f"{beyond[worst]} of {total[worst]} {label!r} among these",
        fix="shuffle the file once, or np.savez('data.npz', x=x, y=y), which is read into memory and shuffled",
    )


# ------------------------------------------------ by class


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
