"""Sums along rows against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from benchmarks.gpu.kernels.reduce import SLAB, Reduce
from minisgd.errors import ArgumentError, ShapeError
from tests.kernels.kernel_bench import BATCHES, REPLICAS, assert_close, empty, normal

LENGTHS = (*BATCHES, SLAB, 2 * SLAB + 1)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("R", REPLICAS)
def test_sum_mean_and_norms(library, n, R):
    reduce, x = Reduce(library), normal((R, n), library.dtype)
    work, exact = empty((reduce.workspace(R, n) or 1,), library.dtype), x.astype("float64")
    for run, expected in (
        (reduce.sum, exact.sum(1)),
        (reduce.mean, exact.mean(1)),
        (reduce.squared_norm, (exact**2).sum(1)),
        (reduce.norm, np.sqrt((exact**2).sum(1))),
    ):
        out = empty((R,), library.dtype)
        run(x, out, workspace=work)
        # a sum that cancels is as exact as its terms are large
        assert np.abs(out - expected).max() <= np.finfo(library.dtype).eps * (
            np.abs(exact).sum(1).max() + expected.max()
        )


@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_clip(library, limit):
    reduce, g = Reduce(library), normal((3, SLAB + 5), library.dtype)
    exact, factor = g.astype("float64"), empty((3, 1), library.dtype)
    norm = np.sqrt((exact**2).sum(1, keepdims=True))
    reduce.clip(g, factor, limit, workspace=empty((reduce.workspace(*g.shape),), library.dtype))
    assert_close(g, exact * np.minimum(1, limit / norm))
    if limit == 1e6:
        assert_array_equal(factor, 1)


def test_nan_and_inf_show(float32):
    reduce, x = Reduce(float32), np.ones((3, 40), "float32")
    x[0, 33], x[1, 7] = np.nan, np.inf
    out, factor = empty((3,), "float32"), empty((3, 1), "float32")
    reduce.norm(x, out)
    assert np.isnan(out[0]) and out[1] == np.inf and np.isfinite(out[2])
    reduce.clip(x, factor, 1.0)
    assert np.isnan(x[0]).all()
    assert_array_equal(factor[1], 0)


def test_the_same_bits_every_run(float32):
    reduce, x = Reduce(float32), normal((1, 3 * SLAB + 7), "float32")
    outs = [empty((1,), "float32") for _ in range(2)]
    for out in outs:
        reduce.sum(x, out, workspace=empty((4,), "float32"))
    assert_array_equal(*outs)


def test_refuses_what_does_not_fit(float32):
    reduce = Reduce(float32)
    with pytest.raises(ShapeError, match="reduce: workspace must be at least 2 elements"):
        reduce.sum(normal((1, SLAB + 1), "float32"), empty((1,), "float32"))
    with pytest.raises(ShapeError, match="reduce: out must be of shape"):
        reduce.sum(normal((2, 5), "float32"), empty((3,), "float32"))
    with pytest.raises(ArgumentError, match="must be"):
        reduce.sum(np.zeros((1, 0), "float32"), empty((1,), "float32"))
