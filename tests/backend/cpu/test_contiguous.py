"""Short runs: the same copies, run by run."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps
from minisgd.backend.cpu.contiguous import LONGEST, as_runs

RNG = np.random.default_rng(0)


def draw(*shape, dtype="float32"):
    return (100 * RNG.standard_normal(shape)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool", "int64"])
@pytest.mark.parametrize("c", [1, 2, 5, 16, 4096])
def test_copies_between_columns_and_matrices(c, dtype):
    ops, wide, narrow = NumpyOps(), draw(7, 3, 2, c, dtype=dtype), draw(7, 3, c, dtype=dtype)
    columns = wide[:, :, 1].copy()
    ops.copy(wide[:, :, 1], out=narrow)
    assert_array_equal(narrow, columns)
    narrow[...], kept = draw(7, 3, c, dtype=dtype), wide[:, :, 1].copy()
    ops.copy(narrow, out=wide[:, :, 0])
    assert_array_equal(wide[:, :, 0], narrow)
    assert_array_equal(wide[:, :, 1], kept)


def test_patches_are_copied_by_rows_of_a_window():
    ops, x = NumpyOps(), draw(2, 6, 5, 3)
    windows = ops.windows(x, (3, 2), (1, 2))
    out = np.empty(windows.shape, "float32")
    found = as_runs(windows, out)
    assert found is not None and found[0].dtype.itemsize == 2 * 3 * 4
    ops.copy(windows, out=out)
    assert_array_equal(out, windows)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (draw(4, 3), draw(4, 3)),  # contiguous as a whole
        (draw(4, 6)[:, ::2], draw(4, 3)),  # runs of one number
        (draw(4, 2, 3)[:, 0], draw(4, 3, dtype="float64")),  # a conversion
        (draw(3), draw(4, 2, 3)[:, 0]),  # a row repeated
        (draw(4, 2, LONGEST)[:, 0], draw(4, LONGEST)),  # long runs
        (draw(0, 2, 3)[:, 0], draw(0, 3)),
    ],
)
def test_other_copies_are_left_alone(a, b):
    assert as_runs(a, b) is None
    NumpyOps().copy(a, out=b)
    assert_array_equal(b, np.broadcast_to(a, b.shape).astype(b.dtype))


def test_what_is_recorded_is_the_copy():
    ops, a, out = NumpyOps(), draw(4, 2, 3), np.zeros((4, 3), "float32")
    with ops.record() as program:
        ops.copy(a[:, 1], out=out)
    (call,) = program
    assert call.op == "copy" and call.out is out and call.reads[0].dtype == "float32"
    program.replay()
    assert_array_equal(out, a[:, 1])
