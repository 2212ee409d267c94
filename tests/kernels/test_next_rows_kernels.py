"""The rows of the coming update against the textbook's takes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps
from minisgd.backend.cuda.kernels.next_rows import NextRows
from minisgd.errors import ShapeError
from tests.kernels.kernel_bench import BATCHES, REPLICAS, empty, normal

K = 4


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("R", REPLICAS)
def test_rows_and_the_step(library, R, B):
    take, ops, arrived = NextRows(library), NumpyOps(), np.zeros(1, np.int32)
    indices, rates = np.random.default_rng(0).integers(0, 2**40, (K, R, B)), normal((K, R, 1), library.dtype)
    step, other = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for k in range(K):
        found = empty((R, B), "int64"), empty((R, 1), library.dtype)
        expected = empty((R, B), "int64"), empty((R, 1), library.dtype)
        take(indices, found[0], rates, found[1], step, arrived)
        ops.take_next(other, (rates, expected[1]), (indices, expected[0]))
        for mine, theirs in zip(found, expected, strict=True):
            assert_array_equal(mine, theirs)
        assert (step[0], other[0], arrived[0]) == (k + 1, k + 1, 0)


def test_without_indices(float32):
    rates, lr, step = normal((K, 3), "float32"), empty((3,), "float32"), np.array([2])
    NextRows(float32)(None, None, rates, lr, step, np.zeros(1, np.int32))
    assert_array_equal(lr, rates[2])
    assert step[0] == 3


def test_a_step_beyond_the_tables_takes_their_last_row(float32):
    rates, lr, step = normal((K, 3), "float32"), empty((3,), "float32"), np.array([K + 5])
    NextRows(float32)(None, None, rates, lr, step, np.zeros(1, np.int32))
    assert_array_equal(lr, rates[-1])


def test_refuses_what_does_not_fit(float32):
    take, step, arrived = NextRows(float32), np.zeros(1, np.int64), np.zeros(1, np.int32)
    rates, lr = normal((K, 3), "float32"), empty((3,), "float32")
    with pytest.raises(ShapeError, match="next_rows: index must be of shape"):
        take(np.zeros((K, 5), np.int64), empty((4,), "int64"), rates, lr, step, arrived)
    with pytest.raises(ShapeError, match="next_rows: lr must be of shape"):
        take(None, None, rates, lr[:2], step, arrived)
