"""Augmentation: what is done to every batch of training examples, as small objects or functions of one's own.

A transform is called as ``transform(x, y, rng)`` with a batch as the network reads it and returns (x, y) of the same
shapes. rng is made anew for every batch from the seed and the number of the batch, so that the same call gives the same
bits, and a resumed training run those of the uninterrupted one.

x (B, F) or (B, H, W, C)   y (B,) classes, or (B, O) values or soft labels
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from minisgd.data.dataset import Dataset
from minisgd.errors import ArgumentError, DtypeError, ShapeError
from minisgd.typing import Generator, HostArray

Batch: TypeAlias = tuple[HostArray, HostArray]
Transform: TypeAlias = Callable[[HostArray, HostArray, Generator], Batch]

STREAM = 0xA06  # keeps these numbers apart from others that are drawn from the same seed


@dataclass(frozen=True)
class Flip:
    """Mirror images left to right, each with a probability.

    Args:
        probability: Of an image to be mirrored.
    """

    probability: float = 0.5

    def __call__(self, x: HostArray, y: HostArray, rng: Generator) -> Batch:
        chosen = rng.random(len(_images(x, self))) < self.probability
        x[chosen] = x[chosen, :, ::-1]
        return x, y


@dataclass(frozen=True)
class Shift:
    """Move images by up to so many pixels in both directions; what they leave is zero.

    Args:
        pixels: The largest distance.
    """

    pixels: int = 2

    def __call__(self, x: HostArray, y: HostArray, rng: Generator) -> Batch:
        return _moved(_images(x, self), self.pixels, rng, "constant"), y


@dataclass(frozen=True)
class Crop:
    """Cut a window of the image's size out of the image with a mirrored border of so many pixels.

    Args:
        border: Width of the border (He et al. 2016, section 4.2, pad by 4).
    """

    border: int = 4

    def __call__(self, x: HostArray, y: HostArray, rng: Generator) -> Batch:
        return _moved(_images(x, self), self.border, rng, "symmetric"), y


@dataclass(frozen=True)
class Noise:
    """Add normal noise to the features.

    Args:
        std: Its standard deviation, in the units in which the network reads them.
    """

    std: float = 0.1

    def __call__(self, x: HostArray, y: HostArray, rng: Generator) -> Batch:
        x += self.std * rng.standard_normal(x.shape, dtype=x.dtype.type)
        return x, y


@dataclass(frozen=True)
class Mixup:
    """Mix every example with another one: λ x + (1 − λ) x′ and λ y + (1 − λ) y′, λ from Beta(α, α).

    Zhang et al. 2018, mixup. Classes become soft labels for it, in all splits.

    Args:
        alpha: α; small values mix little.
    """

    alpha: float = 0.2

    mixes_targets = True

    def __call__(self, x: HostArray, y: HostArray, rng: Generator) -> Batch:
        share = rng.beta(self.alpha, self.alpha, len(x))
        other = rng.permutation(len(x))
        return tuple(_mixed(values, values[other], share) for values in (x, y))  # type: ignore[return-value]


def _mixed(here: HostArray, there: HostArray, share: HostArray) -> HostArray:
    each = share.reshape(-1, *[1] * (here.ndim - 1)).astype(here.dtype)
    mixed: HostArray = each * here + (1 - each) * there
    return mixed


def _images(x: HostArray, transform: object) -> HostArray:
    if x.ndim != 4:
        raise ShapeError(
            f"transform {transform!r}: x",
            expected="images (B, H, W, C)",
            got=f"shape {x.shape}",
            fix="pass images with channels last, and put ms.Flatten() first in the network",
        )
    return x


def _moved(x: HostArray, most: int, rng: Generator, mode: Any) -> HostArray:
    """Return windows of images with a border, at places of their own."""
    b, h, w, _ = x.shape
    padded = np.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), mode=mode)
    top, left = rng.integers(0, 2 * most + 1, (2, b))
    rows = (top[:, None] + np.arange(h))[:, :, None]
    columns = (left[:, None] + np.arange(w))[:, None, :]
    moved: HostArray = padded[np.arange(b)[:, None, None], rows, columns]
    return moved


# ------------------------------------------------ in a training run


def as_transforms(value: Transform | Sequence[Transform] | None) -> tuple[Transform, ...]:
    """Return one transform or several as a tuple.

    Raises:
        DtypeError: For what cannot be called.
    """
    each = () if value is None else tuple(value) if isinstance(value, list | tuple) else (value,)
    for transform in each:
        if not callable(transform) or isinstance(transform, type):
            fix = "pass objects such as ms.Flip(), or functions (x, y, rng) → (x, y)"
            raise DtypeError("transform", expected="one transform or several", got=transform, fix=fix)
    return each


def with_soft_labels(data: Dataset, transforms: Sequence[Transform]) -> Dataset:
    """Return a data set whose classes are soft labels (N, C), where a transform mixes targets."""
    mixes = any(getattr(transform, "mixes_targets", False) for transform in transforms)
    if not mixes or data.train.y.dtype != np.int64:
        return data
    rows = np.eye(data.n_classes, dtype=np.float32)
    parts: dict[str, Any] = {name: replace(split, y=rows[split.y]) for name, split in data.splits.items()}
    return replace(data, **parts)


def augment(
    transforms: Sequence[Transform], seeds: Sequence[int], lead: int, x: HostArray, y: HostArray, clock: HostArray
) -> None:
    """Transform a batch where it lies, each replica by its own seed.  x (…, B, *input)   y (…, B, *target)

    lead: how many replica axes there are, 0 or 1
    """
    for seed, here, target in zip(seeds, x if lead else [x], y if lead else [y], strict=True):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(STREAM, int(clock)))))
        batch, targets = here, target
        for transform in transforms:
            made = transform(batch, targets, rng)
            if not isinstance(made, tuple | list) or len(made) != 2:
                expected, got = "a function that returns (x, y)", f"{type(made).__name__} from {transform!r}"
                raise ArgumentError("transform", expected=expected, got=got, fix="end it with: return x, y")
            batch, targets = made
            _require_same(transform, batch, here, "x")
            _require_same(transform, targets, target, "y")
        here[...], target[...] = batch, targets


def _require_same(transform: Transform, made: Any, given: HostArray, name: str) -> None:
    if np.shape(made) != given.shape:
        raise ArgumentError(
            "transform",
            expected=f"a function that returns (x, y) with {name} of shape {given.shape}, as it was given",
            got=f"shape {np.shape(made)} from {transform!r}",
            fix="change values only; change shapes in the data set instead",
        )
