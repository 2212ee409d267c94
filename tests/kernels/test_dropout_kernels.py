"""Dropout: the mask of the CPU, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps
from minisgd.backend.cuda.kernels.dropout import Dropout
from minisgd.errors import ShapeError
from tests.kernels.kernel_bench import BATCHES, REPLICAS, assert_close, empty, normal

SEEDS = (0, 2**64 - 1, 12345)


def cpu(shape, dtype, clock: int, stream: int) -> np.ndarray:
    out = np.empty(shape, dtype)
    NumpyOps().uniform(SEEDS[: shape[0]], np.array(clock), stream, out=out)
    return out


@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize(("clock", "stream"), [(0, 0), (10**12, 2**63 + 5)])
def test_the_numbers_of_the_cpu_bit_for_bit(library, R, B, clock, stream):
    u, seeds = empty((R, B, 5), library.dtype), np.array(SEEDS[:R], "uint64")
    Dropout(library).uniform(u, seeds, np.array(clock), stream)
    assert_array_equal(u, cpu(u.shape, u.dtype, clock, stream))


@pytest.mark.parametrize("p", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("R", REPLICAS)
def test_the_mask_of_the_cpu_forward_and_backward(library, R, p):
    x, dy = normal((R, 33, 7), library.dtype), normal((R, 33, 7), library.dtype, seed=1)
    mask = cpu(x.shape, x.dtype, 5, 2) >= library.dtype.type(p)
    seeds, clock, y = np.array(SEEDS[:R], "uint64"), np.array(5), empty(x.shape, library.dtype)
    Dropout(library)(x, y, seeds, clock, 2, p=p)
    Dropout(library)(dy, dy, seeds, clock, 2, p=p)
    assert_array_equal(y != 0, mask)
    assert_close(y, x.astype("float64") * mask / (1 - p))
    assert_array_equal(dy != 0, mask)


def test_nan_shows_even_where_it_is_dropped(float32):
    x, y = np.full((1, 64), np.nan, "float32"), empty((1, 64), "float32")
    Dropout(float32)(x, y, np.zeros(1, "uint64"), np.array(0), 0, p=0.5)
    assert np.isnan(y).all()


def test_refuses_what_does_not_fit(float32):
    dropout, x = Dropout(float32), empty((2, 8), "float32")
    with pytest.raises(ShapeError, match="dropout: seeds must be of shape"):
        dropout(x, x, np.zeros(1, "uint64"), np.array(0), 0, p=0.5)
    with pytest.raises(ShapeError, match="dropout: y must be of shape"):
        dropout(x, x[:, :4], np.zeros(2, "uint64"), np.array(0), 0, p=0.5)
    with pytest.raises((ShapeError, ValueError), match="must be"):
        dropout(x[:, :0], x[:, :0], np.zeros(2, "uint64"), np.array(0), 0, p=0.5)
