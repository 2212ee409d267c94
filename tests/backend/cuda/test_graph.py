"""A recorded program on the GPU: one plain replay, one capture, and from then on one launch a replay."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import get_ops
from tests.cuda.fake_cupy import DEVICE


@pytest.fixture
def ops(fake_cupy: Any) -> Any:
    return get_ops("cuda")


def counting(ops: Any) -> tuple[Any, Any]:
    """Return a program of three calls, x ← 2 (x + 1) + x, and x."""
    x, y = ops.zeros((4,), "float32"), ops.zeros((4,), "float32")
    with ops.record() as program:
        ops.add(x, 1.0, out=y)
        ops.multiply(y, 2.0, out=y)
        ops.add(y, x, out=x)
    return program, x


def expected(replays: int) -> float:
    x = 0.0
    for _ in range(replays):
        x = 2 * (x + 1) + x
    return x


@pytest.mark.parametrize(("replays", "graphs"), [(1, 0), (2, 1), (5, 4)])
def test_every_replay_counts_and_all_but_the_first_are_launches(
    ops: Any, launched: list[Any], replays: int, graphs: int
) -> None:
    program, x = counting(ops)
    for _ in range(replays):
        program.replay()
    assert_array_equal(ops.to_host(x), expected(replays))
    assert len(launched) == graphs and len(set(map(id, launched))) <= 1


def test_uploads_between_replays_come_in_their_order(ops: Any, launched: list[Any]) -> None:
    lr, w = ops.zeros((), "float32"), ops.zeros((3,), "float32")
    with ops.record() as program:
        ops.subtract(w, lr, out=w)
    for step in range(6):
        ops.upload(float(10**step), out=lr)
        program.replay()
    assert_array_equal(ops.to_host(w), -111111)
    assert len(launched) == 5


def test_what_was_uploaded_may_change_afterwards(ops: Any) -> None:
    index, out = ops.zeros((4,), "int64"), ops.zeros((4,), "int64")
    with ops.record() as program:
        ops.add(out, index, out=out)
    host = np.zeros(4, np.int64)
    for step in range(4):
        host[:] = step
        ops.upload(host, out=index)
        program.replay()
        host[:] = 99
    assert_array_equal(ops.to_host(out), 6)


def test_joined_programs_are_one_graph(ops: Any, launched: list[Any]) -> None:
    program, x = counting(ops)
    joined = ops.join(program, program, program)
    assert len(joined) == 9
    for _ in range(3):
        joined.replay()
    assert_array_equal(ops.to_host(x), expected(9))
    assert len(launched) == 2


def asks_the_host(ops: Any, x: Any) -> None:
    ops.run("ask", lambda a: int(a), (x[0],), (x,), x)


def uses_cublas(ops: Any, x: Any) -> None:
    ops.run("product", ops.xp.matmul, (x.reshape(2, 2), x.reshape(2, 2)), (x,), x)


def releases_memory(ops: Any, x: Any) -> None:
    kept: list[Any] = []
    for _ in range(3):
        with ops.stream, ops.xp.cuda.using_allocator(ops.xp.cuda.MemoryPool().malloc):
            kept.append(ops.xp.empty(4))  # the pool goes at once, so that the device itself gets the memory back
    ops.run("release", lambda a: kept.pop(), (x,), (x,), x)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (asks_the_host, "RuntimeError: the stream is capturing.* in ask of forward"),
        (uses_cublas, "NotImplementedError: calling cuBLAS.* in product of forward"),
        (releases_memory, "CUDARuntimeError: cudaErrorStreamCaptureInvalidated.* memory is freed"),
    ],
)
def test_what_cannot_be_captured_is_replayed_with_a_warning_that_says_why(
    ops: Any, launched: list[Any], spoil: Any, reason: str
) -> None:
    x = ops.zeros((4,), "float32")
    with ops.record() as program, ops.scope("forward"):
        ops.add(x, 1.0, out=x)
        spoil(ops, x)
        ops.add(x, 1.0, out=x)
    program.replay()
    with pytest.warns(RuntimeWarning, match=rf"the program \(forward\) cannot be captured .* 3 calls .*{reason}"):
        program.replay()
    if spoil is not releases_memory:
        program.replay()  # in silence
        assert_array_equal(ops.to_host(x), 6)
    assert not launched


def test_a_call_that_says_it_cannot_be_captured_is_not_tried(ops: Any, launched: list[Any]) -> None:
    class Large:
        uncapturable = "it is left to cuBLAS"
        captured = False

        def __call__(self, a: Any) -> None:
            self.captured = self.captured or ops.stream.is_capturing()

    x, large = ops.zeros((4,), "float32"), Large()
    with ops.record() as program, ops.scope("forward"):
        ops.run("matmul", large, (x,), (x,), x)
        ops.add(x, 1.0, out=x)
    program.replay()
    with pytest.warns(RuntimeWarning, match="one by one: it is left to cuBLAS"):
        program.replay()
    program.replay()
    assert_array_equal(ops.to_host(x), 3)
    assert not launched and not large.captured


def test_temporary_arrays_of_a_graph_are_its_own(ops: Any, launched: list[Any]) -> None:
    """Calls may need memory: it is there after the first replay, and nobody else is given it afterwards."""
    x, out = ops.zeros((300,), "float32"), ops.zeros((300,), "float32")
    cupy = ops.xp

    def needs_memory(a: Any, out: Any) -> None:
        cupy.add(a + a, 1.0, out)

    with ops.record() as program:
        ops.add(x, 1.0, out=x)
        ops.run("odd", needs_memory, (x, out), (x,), out)
    for step in range(1, 5):
        program.replay()
        other = [ops.zeros((300,), "float32") for _ in range(4)]
        for array in other:
            ops.upload(np.full(300, np.nan, np.float32), out=array)
        assert_array_equal(ops.to_host(out), 2 * step + 1)
    assert len(launched) == 3


def test_a_program_keeps_the_arrays_it_works_on(ops: Any, launched: list[Any]) -> None:
    x, out = ops.zeros((4,), "float32"), ops.zeros((4,), "float32")
    with ops.record() as program:
        between = ops.zeros((4,), "float32")
        ops.add(x, 1.0, out=between)
        ops.add(between, out, out=out)
    del between
    gc.collect()
    for _ in range(3):
        program.replay()
    assert_array_equal(ops.to_host(out), 3)


def test_interrupting_a_capture_leaves_the_program_as_it_was(ops: Any, launched: list[Any]) -> None:
    x, nervous = ops.zeros((4,), "float32"), [False, True, False, False]
    with ops.record() as program:
        ops.add(x, 1.0, out=x)

        def interrupted(a: Any) -> None:
            if nervous.pop(0):
                raise KeyboardInterrupt

        ops.run("interrupted", interrupted, (x,), (x,), x)
    program.replay()
    with pytest.raises(KeyboardInterrupt):
        program.replay()
    assert not ops.stream.is_capturing()
    assert_array_equal(ops.to_host(x), 1)
    program.replay()
    program.replay()
    assert_array_equal(ops.to_host(x), 3)
    assert len(launched) == 2


def test_an_empty_program_replays(ops: Any) -> None:
    with ops.record() as program:
        pass
    for _ in range(3):
        program.replay()


def test_a_program_goes_with_its_last_reference(ops: Any, fake_cupy: Any) -> None:
    """At once, and its memory with it: a garbage collection might come while another program is captured."""
    gc.disable()
    try:
        x = ops.zeros((300,), "float32")
        with ops.record() as program:
            ops.run("odd", lambda a: fake_cupy.add(a + a, 1.0, a), (x,), (x,), x)
        for _ in range(3):
            program.replay()
        ops.synchronize()
        taken, parts = DEVICE.allocated(), [weakref.ref(part) for part in (program, program.graph, program.pool)]
        del program
        assert [part() for part in parts] == [None] * 3
        assert DEVICE.allocated() < taken
    finally:
        gc.enable()


def test_garbage_does_not_spoil_a_capture(ops: Any, launched: list[Any], fake_cupy: Any) -> None:
    """What waits for a collection, a graph and its pool here, goes after the capture."""

    class Cycle:
        pass

    def leave_garbage(a: Any) -> None:
        cycle = Cycle()
        cycle.itself, cycle.program = cycle, stock.pop()

    x, stock = ops.zeros((4,), "float32"), [counting(ops)[0] for _ in range(100)]
    for program in stock:
        program.replay(), program.replay()
    del program
    ops.synchronize()
    with ops.record() as leaving:
        ops.add(x, 1.0, out=x)
        for _ in range(50):
            ops.run("leave garbage", leave_garbage, (x,), (x,), x)
    threshold = gc.get_threshold()
    gc.set_threshold(10)
    try:
        leaving.replay()
        launched.clear()
        leaving.replay()
    finally:
        gc.set_threshold(*threshold)
    assert launched == [leaving.graph]
    assert_array_equal(ops.to_host(x), 2)
