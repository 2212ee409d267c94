"""Chains: which calls run a part at a time, and that it changes no bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.backend.cpu.native.bits import PlainOps, executed, needs_native

pytestmark = needs_native
RNG = np.random.default_rng(0)
LARGE = 100_000


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def chains(record: Callable[[PlainOps], None]) -> list[tuple[int, int]]:
    """Check the bits of a program; return of every chain how many calls it has and its indices."""
    from minisgd.backend.cpu.native.chains import plan
    from minisgd.backend.cpu.native.translation import translate

    ops = PlainOps()
    with ops.record() as program:
        record(ops)
    executed(program.calls, times=3)
    calls = [part for call in program for part in translate(call)]
    _, planned = plan(calls)
    assert sum(chain.calls for chain in planned) == len(calls)
    return [(chain.calls, chain.extent) for chain in planned if chain.unit]


def test_vectors() -> None:
    g, v, w, step, lr = floats(LARGE), floats(LARGE), floats(LARGE), floats(LARGE), np.array(0.1, np.float32)

    def momentum(ops: PlainOps) -> None:
        ops.multiply(v, 0.9, out=v)
        ops.add(v, g, out=v)
        ops.multiply(v, lr, out=step)
        ops.subtract(w, step, out=w)

    assert chains(momentum) == [(4, LARGE)]


def test_rows_of_a_batch_and_sums_of_each() -> None:
    x, row, total = floats(512, 300), floats(300), floats(512, 1)

    def softmax(ops: PlainOps) -> None:
        ops.max(x, -1, out=total, keepdims=True)
        ops.subtract(x, total, out=x)
        ops.exp(x, out=x)
        ops.sum(x, -1, out=total, keepdims=True)
        ops.divide(x, total, out=x)
        ops.add(x, row, out=x)

    from minisgd.backend.cpu.native.translation import BUFFERED_SUMS

    if BUFFERED_SUMS:
        pytest.skip("this version of NumPy adds up large arrays in an order of its own")
    assert chains(softmax) == [(8, 512)]  # the two reductions begin with a call of their own


def test_replicas() -> None:
    x, w, b, y, dy = floats(8, 64, 100), floats(8, 100, 90), floats(8, 1, 90), floats(8, 64, 90), floats(8, 64, 90)

    def layer(ops: PlainOps) -> None:
        ops.affine(x, w, b, out=y)
        ops.maximum(y, 0.0, out=dy)
        ops.matmul(x.swapaxes(-1, -2), dy, out=w)

    assert chains(layer) == [(4, 8)]


def test_a_sum_over_everything_ends_a_chain() -> None:
    a, total, scaled = floats(LARGE), floats(1)[0:1].reshape(()), floats(LARGE)

    def normalise(ops: PlainOps) -> None:
        ops.square(a, out=scaled)
        ops.sum(scaled, 0, out=total)
        ops.divide(a, total, out=a)
        ops.negative(a, out=a)

    assert chains(normalise) == [(2, LARGE)]


def test_an_index_that_another_call_needs_ends_a_chain() -> None:
    a, b = floats(LARGE + 1), floats(LARGE)

    def shifted(ops: PlainOps) -> None:
        ops.add(a[:-1], 1.0, out=a[:-1])
        ops.add(a[1:], a[1:], out=b)  # of index i it reads what the first wrote at i + 1

    assert chains(shifted) == []


def test_a_constant_that_is_written_ends_a_chain() -> None:
    a, b, number = floats(LARGE), floats(LARGE), floats(1)

    def scaled(ops: PlainOps) -> None:
        ops.multiply(a, number, out=b)
        ops.add(b, a, out=a)
        ops.copy(a[:1], out=number)
        ops.multiply(b, number, out=b)

    assert chains(scaled) == [(2, LARGE)]


def test_a_transposed_matrix_ends_a_chain() -> None:
    a, b = floats(300, 300), floats(300, 300)

    def transposed(ops: PlainOps) -> None:
        ops.multiply(a, 2.0, out=b)
        ops.add(b.T, a, out=a)

    assert chains(transposed) == []


@pytest.mark.parametrize("n", [10, 1000])
def test_what_fits_the_cache_runs_call_by_call(n: int) -> None:
    a = floats(n)

    def twice(ops: PlainOps) -> None:
        ops.add(a, 1.0, out=a)
        ops.exp(a, out=a)

    assert chains(twice) == []


def test_calls_without_common_memory_are_no_chain() -> None:
    vectors = [floats(LARGE) for _ in range(3)]

    def each(ops: PlainOps) -> None:
        for v in vectors:
            ops.square(v, out=v)
            ops.add(v, 1.0, out=v)

    assert chains(each) == [(2, LARGE)] * 3
