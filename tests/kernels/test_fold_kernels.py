"""Reductions along any axis against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend.cuda.kernels.fold import MOST_SLABS, SLAB, Fold
from minisgd.errors import DtypeError, ShapeError
from tests.kernels.kernel_bench import BATCHES, assert_close, empty, normal

SHAPES = [(1, n, 5) for n in BATCHES] + [(3, 33, 1), (3, 7, 40), (2, SLAB + 1, 3), (1, SLAB + 1, 1)]


def views(x):
    """Return the array, the same numbers with the reduced axis contiguous, and as part of a larger array."""
    wide = empty((x.shape[0] + 1, x.shape[1] + 2, x.shape[2] + 3), x.dtype)
    part = wide[1:, 2:, 3:]
    part[...] = x
    return x, np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2), part


@pytest.mark.parametrize("shape", SHAPES)
def test_reductions(library, shape):
    fold, x, y = Fold(library), normal(shape, library.dtype), normal(shape, library.dtype, seed=1)
    exact, other = x.astype("float64"), y.astype("float64")
    work = empty((max(1, fold.workspace(*shape)),), library.dtype)
    whole = empty((shape[0], 2, shape[2]), library.dtype)
    out = whole[:, 1]  # inside a larger array, as a gradient in the flat vector
    for a, b in zip(views(x), views(y), strict=True):
        fold.sum(a, out, workspace=work)
        assert_close(out, exact.sum(1), terms=np.abs(exact).sum(1))
        fold.sum(a, out)
        assert_close(out, exact.sum(1), terms=np.abs(exact).sum(1))
        fold.dot(a, b, out, workspace=work)
        assert_close(out, (exact * other).sum(1), terms=np.abs(exact * other).sum(1))
        fold.max(a, out)
        assert_array_equal(out, x.max(1))
        at = empty((shape[0], shape[2]), "int64")
        fold.argmax(a, at)
        assert_array_equal(at, x.argmax(1))
    assert np.isnan(whole[:, 0]).all()


def test_flags_are_counted(library):
    x, out = normal((2, 100, 7)) > 0, empty((2, 7), library.dtype)
    Fold(library).sum(x, out)
    assert_array_equal(out, x.sum(1))


def test_the_first_of_equals_and_the_first_nan(library):
    x, at = np.zeros((1, 300, 3), library.dtype), empty((1, 3), "int64")
    x[0, [5, 290], 1] = 1
    x[0, [7, 8, 280], 2] = np.nan
    x[0, 3, 2] = np.inf
    Fold(library).argmax(x, at)
    assert_array_equal(at, [[0, 5, 7]])


def test_nan_and_inf_show(library):
    x, out = np.full((1, 40, 3), -np.inf, library.dtype), empty((1, 3), library.dtype)
    x[0, 33, 0], x[0, 20, 1] = np.nan, 2
    Fold(library).max(x, out)
    assert_array_equal(out, [[np.nan, 2, -np.inf]])
    Fold(library).sum(x, out)
    assert_array_equal(out, [[np.nan, -np.inf, -np.inf]])


def test_long_columns_are_cut_evenly_into_slabs(float32):
    fold, n = Fold(float32), SLAB * MOST_SLABS * 2 + 1
    assert fold.workspace(1, n, 1) <= MOST_SLABS
    assert fold.workspace(3, SLAB, 5) == 0
    x, out = np.ones((1, SLAB * 3 + 1, 1), "float32"), empty((1, 1), "float32")
    fold.sum(x, out, workspace=empty((4,), "float32"))
    assert out == SLAB * 3 + 1


def test_refuses_what_does_not_fit(float32):
    fold, x = Fold(float32), normal((2, SLAB + 1, 3), "float32")
    with pytest.raises(ShapeError, match="fold: workspace must be at least 12 elements"):
        fold.sum(x, empty((2, 3), "float32"), workspace=empty((3,), "float32"))
    with pytest.raises(ShapeError, match="fold: out must be of shape"):
        fold.max(x, empty((2, 4), "float32"))
    with pytest.raises(DtypeError, match="fold: x must be an array of float32"):
        fold.max(x.astype("float64"), empty((2, 3), "float32"))
