"""Outer products that wait for the update: the same bits, and only where nobody is in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisgd.backend import Program
from tests.backend.cpu.native.bits import PlainOps, executed, needs_native

pytestmark = needs_native
RNG = np.random.default_rng(0)
M, N, CHUNK = 60, 40, 1000
P = 7 + M * N + 13


class Vectors:
    """What a step works on: w, v, g (P,), x (1, M), dy (1, N), with the weights of a layer at 7 … 7 + M N."""

    def __init__(self, dtype: str = "float32") -> None:
        self.w, self.v, self.g = (RNG.standard_normal(P).astype(dtype) for _ in range(3))
        self.x, self.dy = (RNG.standard_normal((1, n)).astype(dtype) for n in (M, N))
        self.x[0, ::3] = -0.0
        self.big = np.empty(P, dtype)
        self.lr, self.scratch = np.full(1, 0.1, dtype), np.empty(CHUNK, dtype)

    @property
    def dw(self) -> np.ndarray:
        return self.g[7 : 7 + M * N].reshape(M, N)

    def product(self, ops: PlainOps) -> None:
        ops.matmul(self.x.T, self.dy, out=self.dw)

    def update(self, ops: PlainOps, momentum: float = 0.9) -> None:
        for low in range(0, P, CHUNK):
            w, v, g = self.w[low : low + CHUNK], self.v[low : low + CHUNK], self.g[low : low + CHUNK]
            scratch = self.scratch[: len(w)]
            ops.multiply(v, momentum, out=v)
            ops.add(v, g, out=v)
            ops.multiply(v, self.lr, out=scratch)
            ops.subtract(w, scratch, out=w)


def kinds(record: Callable[[PlainOps], None], temporaries: tuple[np.ndarray, ...] = ()) -> list[Any]:
    """Check the bits of a program; return the kinds of its calls in the order in which they run."""
    from minisgd.backend.cpu.native.fused_loops import fuse, without_unread
    from minisgd.backend.cpu.native.translation import translate
    from minisgd.backend.cpu.native.update_parts import defer_products

    ops = PlainOps()
    with ops.record() as program:
        record(ops)
    executed(program.calls, times=3)
    calls = [part for call in program for part in translate(call)]
    calls = without_unread(fuse(calls), temporaries)
    return [getattr(call.kind, "__name__", call.kind) for call in defer_products(calls)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_product_waits_for_its_part_of_the_update(dtype: str) -> None:
    s = Vectors(dtype)

    def step(ops: PlainOps) -> None:
        s.product(ops)
        ops.copy(s.dy[0, :13], out=s.g[-13:])
        s.update(ops)

    assert kinds(step, (s.scratch,)) == ["copy", "momentum", "outer", "momentum", "momentum"]


def test_plain_descent() -> None:
    s = Vectors()

    def step(ops: PlainOps) -> None:
        s.product(ops)
        for low in range(0, P, CHUNK):
            part = slice(low, low + CHUNK)
            ops.multiply(s.g[part], s.lr, out=s.scratch[: len(s.g[part])])
            ops.subtract(s.w[part], s.scratch[: len(s.g[part])], out=s.w[part])

    assert kinds(step, (s.scratch,)) == ["subtract_scaled", "outer", "subtract_scaled", "subtract_scaled"]


IN_BETWEEN: dict[str, Callable[[Vectors, PlainOps], None]] = {
    "reads the gradient": lambda s, ops: ops.maximum(s.g, 1.0, out=s.big),
    "changes the gradient": lambda s, ops: ops.multiply(s.g, 0.5, out=s.g),
    "changes the input": lambda s, ops: ops.multiply(s.x, 2.0, out=s.x),
    "changes the output's gradient": lambda s, ops: ops.multiply(s.dy, 2.0, out=s.dy),
}


@pytest.mark.parametrize("what", IN_BETWEEN)
def test_it_stays_where_a_call_in_between(what: str) -> None:
    s = Vectors()

    def step(ops: PlainOps) -> None:
        s.product(ops)
        IN_BETWEEN[what](s, ops)
        s.update(ops)

    assert kinds(step, (s.scratch,))[0] == "outer"


def test_it_stays_where_python_is_in_between() -> None:
    from minisgd.backend.cpu.native.calls import ThroughPython
    from minisgd.backend.cpu.native.fused_loops import fuse
    from minisgd.backend.cpu.native.translation import translate
    from minisgd.backend.cpu.native.update_parts import defer_products

    s, ops = Vectors(), PlainOps()
    with ops.record() as program:
        s.product(ops)
        s.update(ops)
    first, *rest = (part for call in program for part in translate(call))
    calls = [first, ThroughPython(print, ()), *rest]
    assert defer_products(fuse(calls))[0] is first


def test_an_update_of_the_input_itself_stays() -> None:
    """Weights that are also what the product reads must not move before it."""
    s = Vectors()

    def step(ops: PlainOps) -> None:
        ops.matmul(s.w[:M].reshape(M, 1), s.dy, out=s.dw)
        s.update(ops)

    assert kinds(step, (s.scratch,))[0] == "outer"


def test_programs_without_an_update_stay() -> None:
    s = Vectors()
    assert kinds(s.product) == ["outer"]
    assert kinds(s.update, (s.scratch,)) == ["momentum"]


def test_the_parts_make_a_chain() -> None:
    from minisgd.backend.cpu.native.program import NativeProgram

    n = 500
    w, v, g = (RNG.standard_normal(n * n).astype(np.float32) for _ in range(3))
    x, dy, scratch = (
        RNG.standard_normal((n, 1)).astype("f4"),
        RNG.standard_normal((1, n)).astype("f4"),
        np.empty_like(g),
    )
    ops = PlainOps()
    with ops.record() as recorded:
        ops.matmul(x, dy, out=g.reshape(n, n))
        ops.multiply(v, 0.9, out=v)
        ops.add(v, g, out=v)
        ops.multiply(v, 0.1, out=scratch)
        ops.subtract(w, scratch, out=w)
    program, chains = NativeProgram(), []
    for call in recorded:
        program.append(call)
    assert isinstance(program, Program)
    program.temporaries = (scratch,)
    list(program._described(chains))
    assert [(chain.calls, chain.extent) for chain in chains if chain.unit] == [(2, n)]
