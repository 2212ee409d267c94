"""A native program is a program: read, arranged and replayed like any other."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from time import perf_counter

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import Call, NumpyOps
from tests.backend.cpu.native.bits import needs_native

pytestmark = needs_native


@pytest.fixture
def ops(monkeypatch: pytest.MonkeyPatch) -> NumpyOps:
    monkeypatch.setenv("MINISGD_EXECUTOR", "native")
    return NumpyOps()


def test_it_reads_its_buffers_anew_and_as_often_as_it_is_told(ops: NumpyOps) -> None:
    a, out = np.ones(3), np.zeros(3)
    with ops.record() as program:
        ops.add(out, a, out=out)
    assert program.executor == "native" and program.executors() == ["native"]
    program.replay()
    program.replay(10)
    assert_array_equal(out, 11)
    a[...] = 2
    program.replay()
    assert_array_equal(out, 13)
    program.replay(0)
    assert_array_equal(out, 13)


def test_it_follows_later_changes(ops: NumpyOps) -> None:
    out = np.zeros(3)
    with ops.record() as program:
        ops.add(out, 1.0, out=out)
    program.replay()
    program.append(Call(np.multiply, (out, np.array(10.0), out), "multiply", (out,), out, "", ""))
    program.replay()
    assert_array_equal(out, 20)
    program.arrange([1, 0])
    program.replay()
    assert_array_equal(out, 201)


def test_an_error_in_a_call_through_python_arrives(ops: NumpyOps) -> None:
    def fail(out: np.ndarray) -> None:
        raise ZeroDivisionError("on purpose")

    out = np.zeros(2)
    with ops.record() as program:
        ops.add(out, 1.0, out=out)
        ops.run("fail", fail, (out,), (), out)
        ops.add(out, 1.0, out=out)
    for expected in (1, 2):
        with pytest.raises(ZeroDivisionError, match="on purpose"):
            program.replay(3)
        assert_array_equal(out, expected)


def test_an_empty_program_does_nothing(ops: NumpyOps) -> None:
    with ops.record() as program:
        pass
    program.replay()


def test_it_keeps_its_memory_alive_and_lets_it_go(ops: NumpyOps) -> None:
    out = np.zeros(1000)
    with ops.record() as program:
        ops.add(np.ones(1000), np.ones(1000), out=out)
    program.replay()
    gc.collect()
    noise = [np.full(1000, 7.0) for _ in range(20)]  # would be written where freed operands were
    program.replay()
    assert len(noise) == 20
    assert_array_equal(out, 2)
    gone = weakref.ref(out)
    del program, out
    gc.collect()
    assert gone() is None


def test_others_run_meanwhile(ops: NumpyOps) -> None:
    """A thread that would otherwise have to wait gets the interpreter's lock while a program is running."""
    a = np.ones((256, 256))
    with ops.record() as program:
        ops.matmul(a, a, out=np.zeros_like(a))
    begin, done = threading.Event(), threading.Event()
    other = threading.Thread(target=lambda: begin.wait() and done.set())
    other.start()
    interval, deadline = sys.getswitchinterval(), perf_counter() + 120
    sys.setswitchinterval(1000)  # nobody is made to give the lock away
    try:
        begin.set()
        while not done.is_set() and perf_counter() < deadline:
            program.replay()
        assert done.is_set()
    finally:
        sys.setswitchinterval(interval)
        other.join()
