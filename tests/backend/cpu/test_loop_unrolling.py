"""Blocks that follow from others: the calls that recording them would have given, or none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps

SIZE = 4


def recorded(body, count: int):
    """Record a loop over ``count`` numbers; return the program, and which slices the body has seen."""
    ops, seen = NumpyOps(), []
    with ops.record() as program:
        for some in ops.blocks(count, SIZE):
            seen.append(some)
            body(ops, some)
    return program, seen


@pytest.mark.parametrize("count", [3, 4, 8, 12, 13, 16, 17, 39, 40])
def test_three_blocks_and_a_shorter_one_are_recorded(count):
    a, b = np.arange(float(count)), np.zeros(count)
    program, seen = recorded(lambda ops, s: ops.maximum(a[s], 7.5, out=b[s]), count)
    whole, rest = divmod(count, SIZE)
    assert len(seen) == min(whole, 3) + (rest > 0)
    assert [call.block[1] for call in program] == list(range(whole + (rest > 0)))
    program.replay()
    assert_array_equal(b, np.maximum(a, 7.5))


def test_views_backwards_of_other_types_and_of_runs_are_moved_too():
    n = 36
    a, b, c = np.arange(float(n)), np.zeros(n), np.zeros(n, bool)
    images, patches = np.arange(n * 6.0).reshape(n, 3, 2), np.zeros((n, 2, 2))

    def body(ops, s):
        ops.add(a[::-1][s], a[s], out=b[s])
        ops.greater(b[s], a[s], out=c[s])
        ops.copy(images[s, 1:], out=patches[s])  # moved as runs

    program, seen = recorded(body, n)
    assert len(seen) == 3
    program.replay()
    assert_array_equal(b, np.full(n, n - 1.0))
    assert_array_equal(c, b > a)
    assert_array_equal(patches, images[:, 1:])


def test_the_first_block_may_differ():
    a, total, part = np.arange(40.0).reshape(-1, 1), np.zeros((1, 1)), np.zeros((1, 1))

    def body(ops, s):
        ops.sum_batch(a[s], out=part if s.start else total)
        if s.start:
            ops.add(total, part, out=total)

    program, seen = recorded(body, 40)
    assert len(seen) == 3
    program.replay()
    assert total == a.sum()


@pytest.mark.parametrize(
    "body",
    [
        lambda ops, s, a, b: ops.add(a[s], float(s.start), out=b[s]),
        lambda ops, s, a, b: ops.add(a[s], b[s] if s.start == 8 else 1.0, out=b[s]),
        lambda ops, s, a, b: [ops.add(a[s], 1.0, out=b[s]) for _ in range(s.start)],
        lambda ops, s, a, b: ops.add(a[s], np.ones(len(a[s])), out=b[s]),
        lambda ops, s, a, b: (ops.subtract if s.start == 8 else ops.add)(a[s], 1.0, out=b[s]),
    ],
    ids=["a number", "an operand", "how often", "an array of its own", "an operation"],
)
def test_blocks_that_differ_are_recorded_every_one(body):
    a, b, expected = np.arange(30.0), np.zeros(30), np.zeros(30)
    program, seen = recorded(lambda ops, s: body(ops, s, a, b), 30)
    assert len(seen) == 8
    program.replay()
    for s in seen:
        body(NumpyOps(), s, a, expected)
    assert_array_equal(b, expected)
