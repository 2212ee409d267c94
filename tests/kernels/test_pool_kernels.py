"""Pooling against the layers of minisgd.nn in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from minisgd.nn.cuda.pool import PoolKernels
from tests.kernels.kernel_bench import BATCHES, assert_close, empty, normal, run_layer

WINDOWS = {
    "halves": ((2, 2), (2, 2), (5, 6)),
    "overlapping": ((3, 3), (2, 2), (7, 8)),
    "gaps": ((1, 2), (2, 3), (5, 7)),
    "steps of one": ((2, 3), (1, 1), (4, 5)),
}


def pooled(shape, kernel, stride):
    *lead, H, W, C = shape
    return (*lead, (H - kernel[0]) // stride[0] + 1, (W - kernel[1]) // stride[1] + 1, C)


def operands(dtype, R, B, C, window):
    kernel, stride, size = WINDOWS[window]
    x = np.round(2 * normal((R, B, *size, C), dtype)) / 2  # with ties
    y = empty(pooled(x.shape, kernel, stride), dtype)
    return kernel, stride, x, y, normal(y.shape, dtype, seed=1), empty(x.shape, dtype)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("R", "B", "C"), [(1, 1, 3), (3, 2, 5)])
def test_max(library, R, B, C, window):
    kernel, stride, x, y, dy, dx = operands(library.dtype, R, B, C, window)
    pool = PoolKernels(library, kernel, stride)
    pool.max(x, y)
    pool.max_dx(x, dy, dx)
    layer = run_layer(MaxPool2d(kernel, stride=stride), x, dy)
    assert_array_equal(y, layer.y)
    assert_close(dx, layer.dx)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("R", "B", "C"), [(1, 1, 3), (3, 2, 5)])
def test_avg(library, R, B, C, window):
    kernel, stride, x, y, dy, dx = operands(library.dtype, R, B, C, window)
    pool = PoolKernels(library, kernel, stride)
    pool.avg(x, y)
    pool.avg_dx(dy, dx)
    layer = run_layer(AvgPool2d(kernel, stride=stride), x, dy)
    assert_close(y, layer.y)
    assert_close(dx, layer.dx)


@pytest.mark.parametrize("B", BATCHES)
def test_batches(float32, B):
    kernel, stride, x, y, dy, dx = operands("float32", 1, B, 1, "halves")
    pool = PoolKernels(float32, kernel, stride)
    pool.max(x, y)
    pool.max_dx(x, dy, dx)
    layer = run_layer(MaxPool2d(kernel, stride=stride), x, dy)
    assert_array_equal(y, layer.y)
    assert_close(dx, layer.dx)


def test_whole_images(library):
    x, dy = normal((2, 3, 4, 5, 7), library.dtype), normal((2, 3, 1, 1, 7), library.dtype, seed=1)
    y, dx = empty(dy.shape, library.dtype), empty(x.shape, library.dtype)
    pool = PoolKernels(library, (4, 5), (4, 5))
    pool.avg(x, y)
    pool.avg_dx(dy, dx)
    layer = run_layer(GlobalAvgPool2d(), x, dy.reshape(2, 3, 7))
    assert_close(y.reshape(2, 3, 7), layer.y)
    assert_close(dx, layer.dx)


def test_nan_and_inf(float32):
    x = np.zeros((1, 4, 2, 2, 1), "float32")
    x[0, 0, 0, 1], x[0, 1, 1, 1], x[0, 2, 0, 0], x[0, 3] = np.nan, np.nan, np.inf, -np.inf
    y, dx, pool = empty((1, 4, 1, 1, 1), "float32"), empty(x.shape, "float32"), PoolKernels(float32, (2, 2), (2, 2))
    pool.max(x, y)
    assert_array_equal(y.ravel(), [np.nan, np.nan, np.inf, -np.inf])
    pool.max_dx(x, np.ones_like(y), dx)
    assert_array_equal(dx[0].sum((1, 2, 3)), [0, 0, 1, 1])  # no pixel equals a maximum that is NaN
    pool.avg(x, y)
    assert_array_equal(y.ravel(), [np.nan, np.nan, np.inf, -np.inf])


def test_refuses_what_does_not_fit(float32):
    pool, x = PoolKernels(float32, (2, 2), (2, 2)), empty((1, 2, 4, 4, 3), "float32")
    with pytest.raises(ShapeError, match="max_pool: y must be of shape"):
        pool.max(x, empty((1, 2, 2, 3, 3), "float32"))
    with pytest.raises(ShapeError, match="avg_pool_dx: dy must be of shape"):
        pool.avg_dx(empty((1, 2, 4, 4, 3), "float32"), x)
    with pytest.raises(ArgumentError, match="must be"):
        pool.max(x[:, :0], empty((1, 0, 2, 2, 3), "float32"))
