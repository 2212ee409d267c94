"""The order of blocks: loops are joined where that changes no number, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps, Ops

N, SIZE = 20, 3
BLOCKS = 7  # the fourth to the sixth follow from those before, the last is shorter


def loop(ops, body):
    """Record body(ops, block) for every block of N numbers."""
    for some in ops.blocks(N, SIZE):
        body(some)


def order_of(record):
    """Return the loops' numbers and blocks in the order of execution, None for calls outside loops."""
    ops = NumpyOps()
    with ops.record() as program:
        record(ops)
    return [program.calls[k].block for k in program.order]


def arrays(count=3):
    return [np.zeros(N) for _ in range(count)]


def test_loops_that_hand_blocks_on_are_joined():
    a, b, c = arrays()

    def record(ops):
        loop(ops, lambda s: ops.add(a[s], 1.0, out=b[s]))
        loop(ops, lambda s: ops.multiply(b[s], 2.0, out=c[s]))

    assert order_of(record) == [(loop_, k) for k in range(BLOCKS) for loop_ in (1, 2)]


def test_a_loop_that_reads_ahead_waits():
    a, b, c = arrays()

    def record(ops):
        loop(ops, lambda s: ops.add(a[s], 1.0, out=b[s]))
        loop(ops, lambda s: ops.add(c[s], b[-1:], out=c[s]))

    assert order_of(record) == [(loop_, k) for loop_ in (1, 2) for k in range(BLOCKS)]


def test_a_loop_that_writes_over_what_is_still_read_waits():
    b, wide = np.zeros(N), np.zeros(2 * N)

    def record(ops):
        loop(ops, lambda s: ops.add(wide[s], 1.0, out=b[s]))
        loop(ops, lambda s: ops.add(wide[2 * s.start : 2 * s.stop], 1.0, out=wide[2 * s.start : 2 * s.stop]))

    assert order_of(record) == [(loop_, k) for loop_ in (1, 2) for k in range(BLOCKS)]


def test_scratch_of_one_loop_is_scratch_of_the_next():
    (a, b, c), work = arrays(), np.zeros(SIZE)

    def through_work(ops, source, target):
        def body(s):
            ops.add(source[s], 1.0, out=work[: s.stop - s.start])
            ops.multiply(work[: s.stop - s.start], 2.0, out=target[s])

        loop(ops, body)

    def record(ops):
        through_work(ops, a, b)
        through_work(ops, b, c)

    order = order_of(record)
    assert order == [(loop_, k) for k in range(BLOCKS) for loop_ in (1, 1, 2, 2)]


def test_what_a_body_reads_before_it_writes_is_no_scratch():
    (a, b), total = arrays(2), np.zeros(1)

    def record(ops):
        loop(ops, lambda s: ops.add(total, a[s][:1], out=total))
        loop(ops, lambda s: ops.add(b[s], total, out=b[s]))

    assert order_of(record) == [(loop_, k) for loop_ in (1, 2) for k in range(BLOCKS)]


def test_a_call_between_loops_goes_first_where_it_has_nothing_to_do_with_the_loop():
    a, b, c = arrays()

    def record(other):
        def inner(ops):
            loop(ops, lambda s: ops.add(a[s], 1.0, out=b[s]))
            ops.add(other, 1.0, out=other)
            loop(ops, lambda s: ops.multiply(b[s], 2.0, out=c[s]))

        return inner

    joined = [(loop_, k) for k in range(BLOCKS) for loop_ in (1, 2)]
    apart = [(1, k) for k in range(BLOCKS)], [(2, k) for k in range(BLOCKS)]
    assert order_of(record(np.zeros(1))) == [None, *joined]
    for used in (a, b):
        assert order_of(record(used[:1])) == [*apart[0], None, *apart[1]]


def test_loops_of_different_lengths_stay_apart():
    a, b, c = arrays()

    def record(ops):
        loop(ops, lambda s: ops.add(a[s], 1.0, out=b[s]))
        for s in ops.blocks(N, N):
            ops.multiply(b[s], 2.0, out=c[s])

    assert order_of(record) == [*((1, k) for k in range(BLOCKS)), (2, 0)]


@pytest.mark.parametrize("seed", range(60))
def test_random_programs_compute_the_same_numbers(seed):
    """Loops and calls on overlapping parts of few arrays, executed at once and replayed in the order of blocks."""

    def run(ops, memory):
        rng = np.random.default_rng(seed)
        for _ in range(6):
            source, target, other = rng.integers(0, len(memory), 3)
            offset, factor = int(rng.integers(0, 3)), float(rng.integers(1, 4))
            if rng.random() < 0.3:
                ops.add(memory[source][:N], memory[other][1 : N + 1], out=memory[target][:N])
                continue
            step = int(rng.integers(1, 3))

            def body(s, source=source, target=target, other=other, offset=offset, factor=factor, step=step):
                n = s.stop - s.start
                first = memory[source][step * s.start + offset :][:n]
                ops.multiply(first, factor, out=memory[-1][:n])
                ops.add(memory[-1][:n], memory[other][s], out=memory[target][s])

            loop(ops, body)

    start = [np.random.default_rng([seed, k]).integers(0, 9, 3 * N).astype(float) for k in range(4)]
    expected, found = [a.copy() for a in start], [a.copy() for a in start]
    run(NumpyOps(), expected)
    ops = NumpyOps()
    with ops.record() as program:
        run(ops, found)
    program.replay()
    assert sorted(program.order) == list(range(len(program)))
    for e, f in zip(expected[:-1], found[:-1], strict=True):
        assert_array_equal(f, e)


def test_joining_programs_keeps_the_order_of_blocks():
    a, b, c = arrays()
    ops = NumpyOps()
    with ops.record() as first:
        loop(ops, lambda s: ops.add(a[s], 1.0, out=b[s]))
    with ops.record() as second:
        loop(ops, lambda s: ops.multiply(b[s], 2.0, out=c[s]))
    joined = ops.join(first, second)
    assert [joined.calls[k].block for k in joined.order] == [(loop_, k) for k in range(BLOCKS) for loop_ in (1, 2)]


def test_outside_loops_nothing_moves():
    ops: Ops = NumpyOps()
    a = np.zeros(3)
    with ops.record() as program:
        for _ in range(3):
            ops.add(a, 1.0, out=a)
    assert list(program.order) == [0, 1, 2]


def test_an_empty_program_has_an_order_too():
    ops = NumpyOps()
    with ops.record() as program:
        pass
    assert list(program.order) == []
