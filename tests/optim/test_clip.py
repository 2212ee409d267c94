"""Clipping by the global norm, each replica for itself."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.backend import Arena, NumpyOps, Plan
from minisgd.optim import ClipNorm


def clipped(g, max_norm: float = 1.0) -> np.ndarray:
    ops, clip = NumpyOps(), ClipNorm(max_norm)
    arena = Arena(ops, Plan(clip.requests(g.dtype.name)), g.shape[:-1])
    with ops.record() as program:
        clip.apply(ops, arena, g)
    program.replay()
    return g


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_replica_for_itself(dtype):
    g = np.array([[3, 4, 0], [0.3, 0.4, 0], [0, 0, 0], [0, 0, -1]], dtype)
    short = clipped(g.copy())
    assert short.dtype == g.dtype
    assert_allclose(short[0], [0.6, 0.8, 0], rtol=1e-6)
    assert_array_equal(short[1:], g[1:])  # at or below the limit nothing changes, not even a bit


def test_without_replica_axis():
    assert_allclose(clipped(np.array([3.0, 4.0]), 2.5), [1.5, 2.0])


def test_nan_and_infinity_stay_visible():
    g = np.array([[np.nan, 1.0], [np.inf, 1.0], [3.0, 4.0]])
    with np.errstate(invalid="ignore"):
        short = clipped(g)
    assert np.isnan(short[0]).all() and np.isnan(short[1, 0])
    assert_allclose(short[2], [0.6, 0.8])
