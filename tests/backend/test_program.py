"""Recording: nothing happens until replay, calls know where they come from, recordings nest."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps


def test_recording_computes_nothing_and_replaying_does() -> None:
    ops, a, out = NumpyOps(), np.ones(3), np.zeros(3)
    with ops.record() as program:
        ops.add(a, 1.0, out=out)
        ops.maximum(out, 1.5, out=out)
        ops.multiply(out, 3.0, out=out)
    assert not out.any()
    program.replay()
    assert_array_equal(out, 6)
    a[...] = 2  # a program reads its buffers anew
    program.replay()
    assert_array_equal(out, 9)
    ops.add(a, 0.0, out=out)  # after the block operations execute at once
    assert_array_equal(out, 2)
    assert len(program) == 3


def test_calls_say_what_they_read_and_write_and_where_they_come_from() -> None:
    ops, a, out = NumpyOps(), np.ones(3), np.zeros(3)
    with ops.record() as program, ops.scope(phase="forward"):
        ops.negative(a, out=out)
        with ops.scope(layer="ReLU"):
            ops.maximum(a, 0.0, out=out)
            with ops.scope(phase="backward", layer="Linear"):
                ops.multiply(a, a, out=out)
        ops.square(a, out=out)
    assert [(c.op, c.phase, c.layer) for c in program] == [
        ("negative", "forward", ""),
        ("maximum", "forward", "ReLU"),
        ("multiply", "backward", "Linear"),
        ("square", "forward", ""),
    ]
    assert all(c.out is out and c.reads[0] is a for c in program)


def test_one_call_at_a_time_is_the_whole_program() -> None:
    ops, out = NumpyOps(), np.zeros(3)
    with ops.record() as program:
        ops.fill(2.0, out=out)
        ops.square(out, out=out)
    for call in program:
        call.function(*call.args)
    assert_array_equal(out, 4)


def test_recordings_nest_and_end_with_an_error() -> None:
    ops, out = NumpyOps(), np.zeros(1)
    with ops.record() as outer:
        ops.fill(1.0, out=out)
        with ops.record() as inner:
            ops.fill(2.0, out=out)
        ops.fill(3.0, out=out)
    assert (len(outer), len(inner)) == (2, 1)
    with pytest.raises(KeyError), ops.record(), ops.scope("forward", "Linear"):
        raise KeyError
    ops.fill(4.0, out=out)
    assert out[0] == 4
    with ops.record() as after:
        ops.fill(5.0, out=out)
    assert [(c.phase, c.layer) for c in after] == [("", "")]


def test_rows_go_in_before_and_come_out_after_every_replay() -> None:
    ops, x, y = NumpyOps(), np.zeros(3), np.zeros(3)
    with ops.record() as program:
        ops.multiply(x, 2.0, out=y)
    table, results = np.arange(12.0).reshape(4, 3), np.zeros((4, 3))
    assert program.replay(4, [(table, x)], [(results, y)]) == 4
    np.testing.assert_array_equal(results, 2 * table)
