"""Hits and per-example gradient norms against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from benchmarks.gpu.kernels.examples import Examples
from minisgd.errors import ArgumentError, ShapeError
from tests.kernels.kernel_bench import BATCHES, REPLICAS, assert_close, empty, normal


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize("C", [1, 10, 65])
def test_hits(library, B, R, C):
    z = np.round(normal((R, B, C), library.dtype))  # with ties
    label, hit = np.random.default_rng(1).integers(0, min(C, 3), (R, B)), empty((R, B), library.dtype)
    Examples(library).hits(z, label, hit)
    assert_array_equal(hit, z.argmax(-1) == label)


def test_hits_with_nan_and_inf(float32):
    z = np.zeros((1, 4, 40), "float32")
    z[0, 0, [3, 35]] = np.nan
    z[0, 1, 39] = np.inf
    z[0, 2, :] = -np.inf
    hit = empty((1, 4), "float32")
    for c in range(40):
        Examples(float32).hits(z, np.full((1, 4), c), hit)
        assert_array_equal(hit, z.argmax(-1) == c)


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize(("I", "O"), [(1, 3), (33, 10)])
def test_gradient_norms_are_those_of_single_gradients(library, B, R, I, O):  # noqa: E741
    x, dy = normal((R, B, I), library.dtype), normal((R, B, O), library.dtype, seed=1)
    gradients = x.astype("float64")[..., :, None] * dy.astype("float64")[..., None, :]
    weights, bias = (gradients**2).sum((-2, -1)), (dy.astype("float64") ** 2).sum(-1)
    norm = empty((R, B), library.dtype)
    Examples(library).squared_norms(x, dy, norm, bias=False)
    assert_close(norm, weights)
    Examples(library).squared_norms(x, dy, norm, bias=True, scale=4.0, accumulate=True)
    assert_close(norm, weights + 4 * (weights + bias))


def test_nan_shows(float32):
    x, dy, norm = np.ones((1, 2, 3), "float32"), np.ones((1, 2, 2), "float32"), empty((1, 2), "float32")
    x[0, 0, 2] = np.nan
    dy[0, 1, 0] = np.inf
    Examples(float32).squared_norms(x, dy, norm, bias=True)
    assert np.isnan(norm[0, 0]) and norm[0, 1] == np.inf


def test_refuses_what_does_not_fit(float32):
    examples, z = Examples(float32), empty((1, 4, 3), "float32")
    with pytest.raises(ShapeError, match="hits: label must be of shape"):
        examples.hits(z, np.zeros((1, 3), "int64"), empty((1, 4), "float32"))
    with pytest.raises(ShapeError, match="example_norms: dy must be of shape"):
        examples.squared_norms(z, empty((1, 5, 3), "float32"), empty((1, 4), "float32"), bias=True)
    with pytest.raises(ArgumentError, match="must be"):
        examples.hits(z[:, :0], np.zeros((1, 0), "int64"), empty((1, 0), "float32"))
