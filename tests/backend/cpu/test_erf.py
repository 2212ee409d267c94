"""The error function against the one of the mathematics library."""

from __future__ import annotations

from math import erf

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.backend import NumpyOps

exact = np.vectorize(erf, otypes=["float64"])


def our_erf(a: np.ndarray) -> np.ndarray:
    out = np.empty_like(a)
    NumpyOps().erf(a, out=out)
    return out


def test_float64_to_the_last_digits() -> None:
    dense = np.linspace(-7, 7, 100_003)
    tiny = np.concatenate([sign * np.logspace(-300, 0, 2000) for sign in (1, -1)])
    for a in (dense, tiny):
        assert np.abs(our_erf(a) - exact(a)).max() <= 1e-15


def test_float32_to_the_last_digits() -> None:
    a = np.linspace(-5, 5, 50_001, dtype="float32")
    found = our_erf(a)
    assert found.dtype == np.float32
    assert_allclose(found, exact(a.astype("float64")), rtol=0, atol=4e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values(dtype: str) -> None:
    a = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 6.0], dtype)
    found, eps = our_erf(a), np.finfo(dtype).eps
    assert_array_equal(found[2:], np.array([1, -1, np.nan, 1, -1, 1], dtype))
    assert (np.abs(found[:2]) <= eps).all() and list(np.signbit(found[:2])) == [False, True]


@pytest.mark.parametrize("shape", [(), (1,), (0,), (7,), (5000,), (3, 5, 2), (2, 4097)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    a = np.random.default_rng(0).normal(size=shape)
    assert_allclose(our_erf(a), exact(a) if a.size else a, rtol=0, atol=1e-15)


def test_any_strides() -> None:
    base = np.random.default_rng(0).normal(size=(6, 10, 3))
    for a in (base[::2], base[:, ::3], base[..., 1], base.T, np.broadcast_to(base[0, 0], (4, 3)), base[0, :, 0]):
        out = np.full((*a.shape[:-1], 2 * a.shape[-1]), -9.0)[..., ::2]
        NumpyOps().erf(a, out=out)
        assert_allclose(out, exact(a), rtol=0, atol=1e-15)


def test_in_place() -> None:
    a = np.random.default_rng(0).normal(size=(30, 300))
    expected = exact(a)
    NumpyOps().erf(a, out=a)
    assert_allclose(a, expected, rtol=0, atol=1e-15)
