"""Every rung of the ladder against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gpu.kernels.ladder import FOLDER, RUNGS, multiply
from minisgd.errors import ArgumentError, ShapeError
from tests.kernels.kernel_bench import BATCHES, address, assert_close, empty, normal

each = pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.file)


def operands(rung, dtype, M: int, N: int, K: int):
    N, K = (-(-size // rung.multiple) * rung.multiple for size in (N, K))
    return normal((M, K), dtype), normal((K, N), dtype, seed=1), empty((M, N), dtype)


@each
@pytest.mark.parametrize("M", BATCHES)
@pytest.mark.parametrize(("N", "K"), [(1, 1), (67, 35)])
def test_product(library, rung, M, N, K):
    a, b, c = operands(rung, library.dtype, M, N, K)
    multiply(library, rung, a, b, c, address)
    assert_close(c, a.astype("float64") @ b.astype("float64"))


@each
def test_nan_and_inf_show(float32, rung):
    a, b, c = operands(rung, "float32", 3, 5, 18)
    a[1, 17 % a.shape[1]], b[2, 3] = np.nan, np.inf
    multiply(float32, rung, a, b, c, address)
    assert np.isnan(c[1]).all()
    assert np.isinf(c[[0, 2], 3]).all() and np.isfinite(np.delete(c[[0, 2]], 3, axis=1)).all()


@each
def test_refuses_what_does_not_fit(float32, rung):
    a, b, c = operands(rung, "float32", 3, 8, 8)
    with pytest.raises(ShapeError, match="b must be of shape"):
        multiply(float32, rung, a, b[:4], c, address)
    with pytest.raises(ArgumentError, match="must be"):
        multiply(float32, rung, a[:0], b, c[:0], address)


def test_wide_rungs_refuse_odd_rows(float32):
    with pytest.raises(ShapeError, match="rows of a multiple of 4 elements"):
        multiply(float32, RUNGS[-1], *(empty(s, "float32") for s in ((3, 5), (5, 8), (3, 8))), address)


def test_every_file_of_the_folder_is_a_rung():
    files = sorted((p.stem for p in FOLDER.glob("*.cu")), key=lambda stem: int(stem.split("_")[0]))
    assert [rung.file for rung in RUNGS] == files
