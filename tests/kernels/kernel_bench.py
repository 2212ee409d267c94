"""What tests of kernels share: the sizes that find mistakes, and what counts as equal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.testing import assert_allclose

from minisgd.backend import NumpyOps

OPS = NumpyOps()

BATCHES = (1, 31, 32, 33, 257)
"""One, around the width of a warp, and more than a block with a rest."""

REPLICAS = (1, 3)


def address(a: np.ndarray) -> int:
    return OPS.address(a)


def normal(shape: tuple[int, ...], dtype: Any = "float64", seed: int = 0) -> np.ndarray:
    """Return normal numbers that are exact in float32, so that kernel and reference start from the same."""
    numbers = np.random.default_rng(seed).standard_normal(shape).astype("float32")
    aligned = OPS.empty(shape, dtype)
    aligned[...] = numbers
    return aligned


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an array to be written: NaN where a kernel forgets an element."""
    array = OPS.empty(shape, dtype)
    array[...] = np.nan if array.dtype.kind == "f" else 77
    return array


def assert_close(actual: np.ndarray, reference: np.ndarray, rounding: float = 1.0) -> None:
    """Compare with a float64 reference: 1e-5 relative in float32, 1e-12 in float64.

    Relative to each element and to the largest of the array: a sum that nearly cancels has no more digits.
    rounding: a factor for results that lose digits in the formula itself.
    """
    tolerance = rounding * (1e-5 if actual.dtype == np.float32 else 1e-12)
    finite = np.abs(reference[np.isfinite(reference)])
    assert_allclose(actual, reference, rtol=tolerance, atol=tolerance * finite.max(initial=0))
