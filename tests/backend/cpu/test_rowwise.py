"""Narrow rows against tall matrices: the same numbers as NumPy's own broadcasting."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps
from minisgd.backend.cpu.rowwise import TALL, widened

RNG = np.random.default_rng(0)


def arrays(lead, m, c, dtype="float32"):
    return RNG.standard_normal((*lead, m, c)).astype(dtype), RNG.standard_normal((*lead, 1, c)).astype(dtype)


@pytest.mark.parametrize("op", ["add", "subtract", "multiply", "divide", "maximum"])
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
@pytest.mark.parametrize(("m", "c"), [(1000, 16), (521, 16), (2 * TALL, 1), (768, 10), (600, 200)])
def test_equals_broadcasting_bit_for_bit(op, lead, m, c):
    x, row = arrays(lead, m, c)
    ops, out = NumpyOps(), np.empty_like(x)
    for a, b in ((x, row), (row, x)):
        getattr(ops, op)(a, b, out=out)
        assert_array_equal(out, getattr(np, op)(a, b))


def test_in_place_recorded_and_with_the_row_of_the_moment():
    x, row = arrays((2,), 1024, 16)
    before, ops = x.copy(), NumpyOps()
    with ops.record() as program:
        ops.add(x, row, out=x)
    assert len(program) == 1 and program.calls[0].op == "add"
    row += 1
    program.replay()
    assert_array_equal(x, before + row)


def test_parts_of_a_stack_are_widened_too():
    storage = np.zeros((5, 2 * 1024 * 8), "float32")
    x = storage[:3, : 1024 * 8].reshape(3, 1024, 8)
    row = RNG.standard_normal((3, 1, 8)).astype("float32")
    assert widened((x, row), x) is not None
    NumpyOps().add(x, row, out=x)
    assert_array_equal(x, np.broadcast_to(row, x.shape))
    assert not storage[3:].any()


@pytest.mark.parametrize(
    "operands",
    [
        lambda x, row: (x, row.astype("float64")),  # would change the dtype
        lambda x, row: (x, x),
        lambda x, row: (row, row),
        lambda x, row: (x, 2.0),
        lambda x, row: (x,),
    ],
)
def test_what_is_not_a_row_is_left_alone(operands):
    x, row = arrays((), 1024, 16)
    assert widened(operands(x, row), np.empty_like(x)) is None


def test_columns_of_a_wider_array_are_left_alone():
    x, row = arrays((), 1024, 16)
    assert widened((x[:, :8], row[:, :8]), x[:, :8]) is None
    assert widened((x[:100], row), x[:100]) is None  # not tall
