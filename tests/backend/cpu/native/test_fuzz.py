"""Random programs: whatever is recorded, on whatever views of memory, both executors leave the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backend.cpu.native.bits import PlainOps, executed, needs_native

pytestmark = needs_native

UNARY = ["negative", "absolute", "sign", "square", "sqrt", "exp", "log", "log1p", "tanh", "erf"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum"]
COMPARISONS = ["greater", "greater_equal", "equal"]

READ: list[Callable[[np.ndarray], np.ndarray]] = [
    lambda a: a[..., 1:-1, 1:-1],
    lambda a: a[..., 2:, 2:],
    lambda a: a[..., -2:0:-1, 1:-1],
    lambda a: a[..., 1:-1, -2:0:-1],
    lambda a: a[..., :1, 1:-1],
    lambda a: a[..., 1:-1, :1],
    lambda a: a[..., :1, :1],
    lambda a: a[:1, 1:-1, 1:-1],
    lambda a: a[0, 0, 0:1].reshape(()),
]
"""Views of a buffer (R, M + 2, N + 2) that are broadcast to (R, M, N)."""
WRITTEN = READ[:4]


class Memory:
    """Buffers that the calls of a program share."""

    def __init__(self, r: int, m: int, n: int, seed: int) -> None:
        self.rng, self.shape = np.random.default_rng(seed), (r, m, n)
        padded = (r, m + 2, n + 2)
        self.singles = [self.rng.standard_normal(padded).astype(np.float32) for _ in range(3)]
        self.doubles = [self.rng.standard_normal(padded) for _ in range(2)]
        self.masks = [self.rng.random(padded) < 0.5 for _ in range(2)]
        self.index = self.rng.integers(-1, m + 3, (r, m))
        self.best = np.zeros((r, m), np.int64)
        self.square = np.zeros((r, m, m), np.float32)
        self.singles[0].flat[:3] = np.nan, -0.0, np.inf


def append(ops: PlainOps, memory: Memory, draw: Any) -> None:
    """Record one random call."""

    def single(views: Any = READ) -> np.ndarray:
        view: np.ndarray = draw(st.sampled_from(views))(draw(st.sampled_from(memory.singles)))
        return view

    def double(views: Any = READ) -> np.ndarray:
        view: np.ndarray = draw(st.sampled_from(views))(draw(st.sampled_from(memory.doubles)))
        return view

    def mask(views: Any = READ) -> np.ndarray:
        view: np.ndarray = draw(st.sampled_from(views))(draw(st.sampled_from(memory.masks)))
        return view

    kind = draw(
        st.sampled_from(["unary", "binary", "binary", "mixed", "compare", "mask", "copy", "reduce", "product", "take"])
    )
    if kind == "unary":
        getattr(ops, draw(st.sampled_from(UNARY)))(single(), out=single(WRITTEN))
    elif kind == "binary":
        getattr(ops, draw(st.sampled_from(BINARY)))(single(), single(), out=single(WRITTEN))
    elif kind == "mixed":
        getattr(ops, draw(st.sampled_from(BINARY)))(double(), single(), out=double(WRITTEN))
    elif kind == "compare":
        getattr(ops, draw(st.sampled_from(COMPARISONS)))(single(), single(), out=mask(WRITTEN))
    elif kind == "mask":
        ops.multiply(single(), mask(), out=single(WRITTEN))
    elif kind == "copy":
        source = draw(st.sampled_from([single, double, mask]))
        ops.copy(source(), out=draw(st.sampled_from([single, double]))(WRITTEN))
    elif kind == "reduce":
        axis, a = draw(st.sampled_from([0, 1, 2])), single(WRITTEN)
        out = single(WRITTEN)[tuple(slice(0, 1) if k == axis else slice(None) for k in range(3))]
        getattr(ops, draw(st.sampled_from(["sum", "max"])))(a, axis, out=out, keepdims=True)
    elif kind == "product":
        ops.matmul(single(WRITTEN), single(WRITTEN).swapaxes(-1, -2), out=memory.square)
        # not into a reversed array: NumPy 2.3 leaves nonsense there
        ops.matmul(memory.square, single(WRITTEN), out=single(WRITTEN[:2]))
    else:
        ops.take(
            memory.singles[0][0], memory.index, out=np.zeros((*memory.index.shape, memory.shape[2] + 2), np.float32)
        )
        ops.argmax(single(WRITTEN), -1, out=memory.best)


@settings(max_examples=200, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 1000),
    length=st.integers(1, 12),
    part=st.sampled_from([64, 1024, 64 << 10]),
    data=st.data(),
)
def test_random_programs(sizes: tuple[int, int, int], seed: int, length: int, part: int, data: Any) -> None:
    """A small cache to plan for makes chains of small arrays."""
    memory, ops = Memory(*sizes, seed), PlainOps()
    with ops.record() as program, np.errstate(all="ignore"):
        for _ in range(length):
            append(ops, memory, data.draw)
    with mock.patch("minisgd.backend.cpu.native.chains.PART", part):
        executed(program.calls, times=2)


@settings(max_examples=200, deadline=None)
@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple),
    long=st.integers(1, 5000),
    data=st.data(),
)
def test_random_reductions(shape: tuple[int, ...], long: int, data: Any) -> None:
    """Sums over any axes of arrays in any order of axes, one of them long, are taken in NumPy's order."""
    at = data.draw(st.integers(0, len(shape)))
    shape = (*shape[:at], long, *shape[at:])
    order = data.draw(st.permutations(range(len(shape))))
    from minisgd.backend.cpu.native.translation import BUFFERED_SUMS, SMALLEST_BUFFER

    axes = tuple(data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True, min_size=1)))
    a = np.random.default_rng(0).standard_normal([shape[k] for k in order]).astype(np.float32)
    a = a.transpose(np.argsort(order))
    out, ops = np.add.reduce(a, axes, keepdims=True), PlainOps()
    with ops.record() as program:
        ops.sum(a, axes, out=out, keepdims=True)
        ops.max(a, axes[0], out=np.max(a, axes[0]))
    executors = executed(program.calls)
    assert executors == ["native", "native"] or (BUFFERED_SUMS and a.size > SMALLEST_BUFFER)
