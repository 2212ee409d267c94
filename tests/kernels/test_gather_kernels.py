"""Gathering a batch against NumPy's take."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps
from minisgd.backend.cuda.kernels.gather import Gather
from minisgd.errors import ArgumentError, DtypeError, ShapeError
from tests.kernels.kernel_bench import BATCHES, REPLICAS, address, empty, normal

N = 40


def indices(R: int, B: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, N, (R, B))


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize("D", [1, 9, 64, 131])
def test_bytes_become_floats(library, R, B, D):
    data = NumpyOps().empty((N, D), "uint8")
    data[...] = np.random.default_rng(0).integers(0, 256, (N, D))
    x, index = empty((R, B, D), library.dtype), indices(R, B)
    Gather(library, address)(data, index, x, scale=1 / 255)
    assert_array_equal(x, data[index].astype(library.dtype) * library.dtype.type(1 / 255))


@pytest.mark.parametrize("shift", [0, 1])
def test_images_of_floats_aligned_or_not(library, shift):
    whole = normal((N * 3 * 4 * 4 + 1,), library.dtype)
    data = whole[shift : shift + N * 48].reshape(N, 3, 4, 4)
    x, index = empty((2, 33, 3, 4, 4), library.dtype), indices(2, 33)
    Gather(library, address)(data, index, x)
    assert_array_equal(x, data[index])


def test_labels_keep_all_their_bits(float32):
    labels = np.arange(N) + 2**60 + 1
    out, index = empty((3, 33), "int64"), indices(3, 33)
    Gather(float32, address)(labels, index, out)
    assert_array_equal(out, labels[index])


@pytest.mark.parametrize("D", [1, 9, 200])
@pytest.mark.parametrize("columns", [(), (5,)])
def test_targets_and_weights_come_along(library, D, columns):
    data, index, x = normal((N, D), library.dtype), indices(3, 33), empty((3, 33, D), library.dtype)
    targets = normal((N, *columns), library.dtype) if columns else np.arange(N) + 2**60 + 1
    weights = normal((N,), library.dtype, seed=1)
    target, weight = empty((3, 33, *columns), targets.dtype), empty((3, 33), library.dtype)
    Gather(library, address)(data, index, x, target=(targets, target), weight=(weights, weight))
    for out, rows in ((x, data), (target, targets), (weight, weights)):
        assert_array_equal(out, rows[index])


def test_an_index_outside_is_held_to_the_ends(float32):
    data, out = normal((N, 8), "float32"), empty((4, 8), "float32")
    index = np.array([-5, 0, N, 10**12])
    Gather(float32, address)(data, index, out)
    assert_array_equal(out, data.take(index, axis=0, mode="clip"))


def test_nan_and_inf_pass(float32):
    data = np.array([[np.nan, np.inf, -np.inf]], "float32")
    out = empty((1, 3), "float32")
    Gather(float32, address)(data, np.zeros(1, "int64"), out, scale=0.5)
    assert_array_equal(out, data)


def test_refuses_what_does_not_fit(float32):
    gather, data = Gather(float32, address), normal((N, 8), "float32")
    with pytest.raises(ShapeError, match="gather: out must be of shape"):
        gather(data, np.zeros(3, "int64"), empty((3, 9), "float32"))
    with pytest.raises(DtypeError, match="gather: data must be uint8, int64 or float32"):
        gather(data.astype("int16"), np.zeros(3, "int64"), empty((3, 8), "float32"))
    with pytest.raises(ShapeError, match="gather: target must be of shape"):
        gather(data, np.zeros(3, "int64"), empty((3, 8), "float32"), target=(data, empty((3, 7), "float32")))
    with pytest.raises(DtypeError, match="gather: weight must be an array of float32"):
        gather(data, np.zeros(3, "int64"), empty((3, 8), "float32"), weight=(data, empty((3, 8), "float64")))
    with pytest.raises(ArgumentError, match="must be"):
        gather(data, np.zeros(0, "int64"), empty((0, 8), "float32"))
