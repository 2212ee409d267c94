from __future__ import annotations

import numpy as np
import pytest

from minisgd.data.split import Split
from minisgd.errors import DataError

X = np.ones((3, 2), dtype=np.float32)
Y = np.array([0, 1, 0])


def test_rows_are_taken_together():
    split = Split(np.arange(6.0).reshape(3, 2), Y, np.array([1.0, 2.0, 3.0]))
    part = split.take(np.array([2, 1]))
    np.testing.assert_array_equal(part.x, [[4, 5], [2, 3]])
    np.testing.assert_array_equal(part.y, [0, 1])
    np.testing.assert_array_equal(part.weight, [3, 2])
    assert len(split) == 3 and np.shares_memory(split.take(slice(1, 3)).x, split.x)
    assert Split(X, Y).take(slice(1)).weight is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]], Y), "x must be a float32, float64 or uint8 array, got list"),
        ((X.astype(np.int32), Y), "x must be .*, got int32 of shape"),
        ((X[:, 0], Y), r"x must be of shape \(N, …\), a row per example, got shape \(3,\); use x.reshape"),
        ((X[:0], Y[:0]), r"at least one example with one feature, got shape \(0, 2\)"),
        ((X[:, :0], Y), r"got shape \(3, 0\)"),
        ((X, Y[:2]), r"y must be of length 3, one per row of x, got shape \(2,\)"),
        ((X, Y.astype(np.int32)), "y must be int64 codes or float targets, got int32"),
        ((X, Y.tolist()), "y must be int64 codes or float targets, got list"),
        ((X, Y[:, None][:, :0]), r"y must be labels \(N,\) or \(N, T\), or floats"),
        ((X, np.zeros((3, 0))), "y must be labels"),
        ((X, np.zeros((3, 1, 0))), "y must be labels"),
        ((X, np.array(1.0)), "y must be labels"),
        ((np.full((3, 2), np.nan), Y), "x must be finite everywhere, got nan in row 0"),
        ((X, np.array([0.0, np.inf, 0.0])), "y must be finite everywhere, got inf in row 1"),
        ((X, Y, np.ones(2)), "weight must be of length 3"),
        ((X, Y, np.ones((3, 1))), r"weight must be floats of shape \(N,\)"),
        ((X, Y, np.ones(3, int)), "weight must be floats"),
        ((X, Y, np.array([1, -2.0, 1])), "weight must be ≥ 0 and not all 0, got -2.0 in row 1"),
        ((X, Y, np.zeros(3)), "not all 0"),
        ((X, Y, np.array([1, np.nan, 1])), "weight must be finite everywhere, got nan in row 1"),
    ],
)
def test_unsound_arrays_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        Split(*arguments)
