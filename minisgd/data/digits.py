"""Handwritten digits that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minisgd.checks import require_flag
from minisgd.data.dataset import Dataset
from minisgd.data.split import Split
from minisgd.typing import Seed

_FILE = Path(__file__).with_name("digits.npz")
_LARGEST = 16  # every pixel counts the dark points of a 4×4 square


def digits(
    *, validation: float | tuple[Any, ...] | Split | None = 0.2, seed: Seed = 0, images: bool = False
) -> Dataset:
    """Load the UCI optical handwritten digits: 1,797 real images of 8×8 pixels, 10 classes.

    Args:
        validation: The fraction in [0, 1) to hold out; or (x, y) or (x, y, weight); or None.
        seed: Seed of the hold-out.
        images: Give x as (N, 8, 8, 1) instead of (N, 64).

    Returns:
        The data set: x uint8, which the scale 1/16 brings to [0, 1].

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    doi:10.24432/C50P49 (its test part), CC BY 4.0; see digits.LICENSE.md.
    """
    require_flag(images, "images")
    with np.load(_FILE, allow_pickle=False) as arrays:
        x, y = arrays["x"], arrays["y"]
    x = x.reshape(-1, 8, 8, 1) if images else x
    return Dataset.from_arrays(x, y, validation=validation, scale=1 / _LARGEST, seed=seed, name="digits")
