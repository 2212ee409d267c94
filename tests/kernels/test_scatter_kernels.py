"""Scattered rows against NumPy's add.at and assignment."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend.cuda.kernels.scatter import Scatter
from minisgd.errors import ArgumentError, DtypeError, ShapeError
from tests.kernels.kernel_bench import BATCHES, assert_close, empty, normal

V = 40


def summed(a: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the sums of rows in float64, NaN where no row was named."""
    out = np.zeros((V, a.shape[1]))
    np.add.at(out, index, a.astype("float64"))
    out[np.setdiff1d(np.arange(V), index)] = np.nan
    return out


@pytest.mark.parametrize("N", BATCHES)
@pytest.mark.parametrize("D", [1, 9, 32, 65])
def test_rows_of_the_same_index_are_added(library, N, D):
    a, index, out = (
        normal((N, D), library.dtype),
        np.random.default_rng(1).integers(0, V, N),
        empty((V, D), library.dtype),
    )
    Scatter(library).add(a, index, out)
    expected = summed(a, index)
    named = np.unique(index)
    assert_close(out[named], expected[named], terms=a * np.sqrt(N))
    assert np.isnan(np.delete(out, named, axis=0)).all()


@pytest.mark.parametrize("N", [1, 33, 300])
def test_one_row_may_take_all(library, N):
    a, out = normal((N, 3), library.dtype), empty((V, 3), library.dtype)
    Scatter(library).add(a, np.full(N, 7), out)
    assert_close(out[7], a.astype("float64").sum(0), terms=a * np.sqrt(N))


def test_the_same_bits_in_every_order_of_threads(float32):
    a, index = normal((257, 33), "float32"), np.random.default_rng(2).integers(0, 5, 257)
    outs = [empty((V, 33), "float32") for _ in range(2)]
    for out in outs:
        Scatter(float32).add(a, index, out)
    assert_array_equal(*outs)


@pytest.mark.parametrize("N", BATCHES)
@pytest.mark.parametrize("D", [1, 9, 65])
def test_rows_are_put_back(library, N, D):
    index, rows, out = (
        np.random.default_rng(1).integers(0, V, N),
        normal((V, D), library.dtype),
        empty((V, D), library.dtype),
    )
    Scatter(library).put(rows[index], index, out)
    assert_array_equal(out[index], rows[index])
    assert np.isnan(np.delete(out, index, axis=0)).all()


def test_an_index_outside_is_held_to_the_ends(float32):
    a, out = normal((3, 2), "float32"), np.zeros((V, 2), "float32")
    for method in ("add", "put"):
        getattr(Scatter(float32), method)(a, np.array([-5, 10**12, 3]), out)
        assert_array_equal(out[[0, V - 1, 3]], a)


def test_nan_and_inf_show_in_their_row_alone(float32):
    a, index, out = normal((4, 3), "float32"), np.array([1, 2, 1, 3]), empty((V, 3), "float32")
    a[0, 1], a[1, 0] = np.nan, np.inf
    Scatter(float32).add(a, index, out)
    assert np.isnan(out[1, 1]) and out[2, 0] == np.inf
    assert np.isfinite(out[1, ::2]).all() and np.isfinite(out[3]).all()


def test_refuses_what_does_not_fit(float32):
    scatter, a, out = Scatter(float32), normal((4, 3), "float32"), empty((V, 3), "float32")
    with pytest.raises(ShapeError, match="add_rows: index must be of shape"):
        scatter.add(a, np.zeros(3, "int64"), out)
    with pytest.raises(ShapeError, match="put_rows: out must be of shape"):
        scatter.put(a, np.zeros(4, "int64"), out[:, :2])
    with pytest.raises(DtypeError, match="add_rows: a"):
        scatter.add(a.astype("float64"), np.zeros(4, "int64"), out)
    with pytest.raises(ArgumentError, match="must be"):
        scatter.add(a[:0], np.zeros(0, "int64"), out)
