"""Every kind of call, native against NumPy bit for bit, and which calls stay with NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minisgd.backend import Program
from tests.backend.cpu.native.bits import PlainOps, executed, executed_one, needs_native

pytestmark = needs_native
RNG = np.random.default_rng(0)


def floats(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


def recorded(record: Callable[[PlainOps], None]) -> list[str]:
    ops = PlainOps()
    with ops.record() as program:
        record(ops)
    assert isinstance(program, Program) and len(program)
    return executed(program.calls)


def all_native(record: Callable[[PlainOps], None]) -> None:
    assert set(recorded(record)) == {"native"}


UNARY = ["negative", "absolute", "sign", "square", "sqrt", "exp", "expm1", "log", "log1p", "tanh"]
BINARY = ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum"]
COMPARISONS = ["greater", "greater_equal", "equal"]
SHAPES = [(), (1,), (1000,), (33, 257), (3, 31, 5), (2, 1, 4, 7)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_elementwise(shape: tuple[int, ...], dtype: str) -> None:
    a, b = floats(*shape, dtype=dtype), floats(*shape, dtype=dtype)
    if a.size > 5:
        a.flat[:5] = [0, -0.0, np.inf, -np.inf, np.nan]

    def record(ops: PlainOps) -> None:
        for op in UNARY:
            getattr(ops, op)(a, out=np.zeros(shape, dtype))
        for op in BINARY:
            getattr(ops, op)(a, b, out=np.zeros(shape, dtype))
            getattr(ops, op)(b, 0.7, out=np.zeros(shape, dtype))
        for op in COMPARISONS:
            getattr(ops, op)(a, b, out=np.zeros(shape, bool))

    all_native(record)


@pytest.mark.parametrize("other", [(7,), (1, 7), (31, 1), (5, 1, 1), (5, 31, 7), (1, 1, 1), ()], ids=str)
def test_broadcasting(other: tuple[int, ...]) -> None:
    a, b, out = floats(5, 31, 7), floats(*other), floats(5, 31, 7)
    all_native(lambda ops: ops.multiply(a, b, out=out))
    all_native(lambda ops: ops.subtract(b, a, out=out))


def test_any_strides() -> None:
    a, b, out = floats(6, 40, 9), floats(9, 40, 12), floats(6, 80, 9)
    all_native(lambda ops: ops.add(a, b.T[::2], out=out[:, ::2]))
    all_native(lambda ops: ops.square(a[::-1, 3:, ::-2], out=out[:, :37, :5]))
    all_native(lambda ops: ops.exp(a[::2, 3:, 1::2], out=out[:3, :37, :4]))
    all_native(lambda ops: ops.copy(b.T[::2], out=out[:, 40:]))
    all_native(lambda ops: ops.copy(a[:, :, ::-1], out=out[:, :40]))


@pytest.mark.parametrize("n", [1, 7, 5000])
def test_casts(n: int) -> None:
    single, double, mask = floats(n), floats(n, dtype=np.float64), RNG.random(n) < 0.5
    counts, pixels = RNG.integers(-9, 9, n), RNG.integers(0, 256, n).astype(np.uint8)

    def record(ops: PlainOps) -> None:
        for source in (single, double, mask, counts, pixels):
            for dtype in (np.float32, np.float64):
                ops.copy(source, out=np.zeros(n, dtype))
                ops.copy(source[::2], out=np.zeros(n, dtype)[::2])
        ops.multiply(single, mask, out=single)
        ops.add(double, single, out=double)
        ops.rescale(pixels, 1 / 255, out=np.zeros(n, np.float32))
        ops.equal(counts, counts[::-1], out=np.zeros(n, np.float32))
        ops.add(counts, 1, out=counts)

    all_native(record)


def test_in_place() -> None:
    a, b = floats(50, 20), floats(50, 20)
    all_native(lambda ops: ops.add(a, b, out=a))
    all_native(lambda ops: ops.subtract(a, b, out=b))
    all_native(lambda ops: ops.multiply(a, a, out=a))
    all_native(lambda ops: ops.log(a[:1], out=a[:2:2]))  # the same row, called by other strides


REDUCTIONS = [
    ((1000,), 0),
    ((20_000,), -1),
    ((7, 9_000), -1),
    ((9_000, 7), 0),
    ((9_000, 7), -1),
    ((3, 33, 65), -2),
    ((3, 33, 65), (0, 2)),
    ((3, 33, 65), (1, 2)),
    ((4, 9, 11, 5), (0, 1, 2)),
    ((1, 12), 0),
    ((12, 1), 0),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "axis"), REDUCTIONS, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(shape: tuple[int, ...], axis: Any, keepdims: bool, dtype: str) -> None:
    from minisgd.backend.cpu.native.translation import BUFFERED_SUMS, SMALLEST_BUFFER

    a = floats(*shape, dtype=dtype)
    expected = {"numpy" if BUFFERED_SUMS and a.size > SMALLEST_BUFFER else "native"}
    for source in (a, np.asfortranarray(a), -np.zeros_like(a)):
        out = np.add.reduce(source, axis, keepdims=keepdims) + 1
        found = set(recorded(lambda ops, a=source, out=out: ops.sum(a, axis, out=np.asarray(out), keepdims=keepdims)))
        assert found == expected
        if isinstance(axis, int):
            found = set(recorded(lambda ops, a=source, out=out: ops.max(a, axis, out=np.array(out), keepdims=keepdims)))
            assert found == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_error_function(dtype: str) -> None:
    a, b = floats(3, 5000, dtype=dtype) * 3, floats(7, 90, dtype=dtype)
    a.flat[:6] = [0, -0.0, np.inf, -np.inf, np.nan, 1e30]
    all_native(lambda ops: ops.erf(a, out=np.zeros_like(a)))
    all_native(lambda ops: ops.erf(a, out=a))
    all_native(lambda ops: ops.erf(b[::2, 3:50], out=np.zeros((4, 47), dtype)))
    all_native(lambda ops: ops.erf(b[0, :45], out=np.zeros((7, 45), dtype)))
    for stays in (b[:, ::2], b[:1, :1], b[0, 0, ...]):  # strided, or one number
        assert recorded(lambda ops, stays=stays: ops.erf(stays, out=np.zeros((7, 45), dtype))) == ["numpy"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "c"), [(1, 1), (5, 3), (4000, 33)])
def test_rows_are_added(n: int, c: int, dtype: str) -> None:
    a, index = floats(n, c, dtype=dtype), RNG.integers(0, 7, n)
    all_native(lambda ops: ops.add_rows(a, index, out=np.ones((7, c), dtype)))
    wide = floats(n, 2 * c, dtype=dtype)
    all_native(lambda ops: ops.add_rows(wide[:, c:], index, out=np.ones((7, c), dtype)))
    all_native(lambda ops: ops.add_rows(a, index, out=np.ones((7, c), dtype), cleared=True))
    all_native(lambda ops: ops.put_rows(a[:7], np.arange(7)[::-1][: len(a)], out=np.ones((7, c), dtype)))


def test_largest_first_and_nan() -> None:
    a = np.round(floats(40, 9), 1)
    a[3, 4] = a[5, 2] = a[5, 6] = np.nan
    for axis in (0, 1):
        all_native(lambda ops, axis=axis: ops.argmax(a, axis, out=np.zeros(a.shape[1 - axis], np.int64)))
        all_native(lambda ops, axis=axis: ops.max(a, axis, out=np.zeros(a.shape[1 - axis], np.float32)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("m", "k", "n"), [(1, 1, 1), (1, 784, 10), (31, 33, 17), (32, 784, 256), (257, 8, 3), (5, 1, 9)]
)
def test_products(m: int, k: int, n: int, dtype: str) -> None:
    a, b, out = floats(m, k, dtype=dtype), floats(k, n, dtype=dtype), floats(m, n, dtype=dtype)
    for left in (a, np.asfortranarray(a)):
        for right in (b, np.asfortranarray(b)):
            all_native(lambda ops, left=left, right=right: ops.matmul(left, right, out=out))
    all_native(lambda ops: ops.sum_batch(b, out=out[:1]))
    all_native(lambda ops: ops.dot(a, a, out=out[:, 0]))


def test_products_of_a_stack() -> None:
    x, shared, w, out = floats(3, 32, 50), floats(32, 50), floats(3, 50, 70), floats(3, 32, 70)
    all_native(lambda ops: ops.affine(x, w, out[:, :1], out=floats(3, 32, 70)))
    all_native(lambda ops: ops.matmul(shared, w, out=out))
    all_native(lambda ops: ops.matmul(out, w.swapaxes(-1, -2), out=x))
    all_native(lambda ops: ops.matmul(x.swapaxes(-1, -2), out, out=w))
    all_native(lambda ops: ops.sum_batch(x, out=floats(3, 1, 50)))
    all_native(lambda ops: ops.matmul(floats(1024, 50), w, out=floats(3, 1024, 70)))
    all_native(lambda ops: ops.dot(w.reshape(3, -1), w.reshape(3, -1), out=floats(3)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outer_products(dtype: str) -> None:
    """Zeros of both signs, one column, stacks, and rows that do not follow one another in memory."""
    a, b = floats(3, 31, 1, dtype=dtype), floats(3, 1, 257, dtype=dtype)
    a[:, ::3], b[..., ::5] = -0.0, 0.0
    a[0, 4], b[1, 0, 7], b[2, 0, 9] = np.inf, np.nan, 1e-40
    for left in (a, a[::-1], np.asfortranarray(a), a[0], a[:, ::2]):
        for right in (b, b[..., :1], b[0], b[:1]):
            shape = (*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-2], right.shape[-1])
            out = floats(*shape[:-1], shape[-1] + 3, dtype=dtype)
            all_native(lambda ops, left=left, right=right, out=out: ops.matmul(left, right, out=out[..., 3:]))
    all_native(lambda ops: ops.matmul(a[0], b[0, :, ::2], out=floats(31, 129, dtype=dtype)))
    square = floats(31, 31, dtype=dtype)
    all_native(lambda ops: ops.matmul(a[0], square[:1], out=square))


def test_gathering() -> None:
    pixels, images, labels = RNG.integers(0, 256, (90, 8, 3)).astype(np.uint8), floats(90, 17), RNG.integers(0, 5, 90)
    index = RNG.integers(0, 90, (3, 12))
    index[0, :3] = -5, 90, 1000  # clipped

    def record(ops: PlainOps) -> None:
        ops.take(pixels, index, out=np.zeros((3, 12, 8, 3), np.uint8))
        ops.take(images, index[0], out=np.zeros((12, 17), np.float32))
        ops.take(labels, index, out=np.zeros((3, 12), np.int64))
        ops.take(images, np.array(7), out=np.zeros((1, 17), np.float32)[0])
        ops.one_hot(labels, out=np.zeros((5, 90), np.float32))
        ops.one_hot(labels[index % 90], out=np.zeros((3, 5, 12), np.float32))

    all_native(record)


def test_narrow_rows_and_runs() -> None:
    x, row, out = floats(2, 4096, 8), floats(2, 1, 8), floats(2, 4096, 8)
    all_native(lambda ops: ops.multiply(x, row, out=out))
    patches, image = floats(14, 14, 9), floats(16, 16, 3)
    all_native(lambda ops: ops.copy(image[1:15, 1:15], out=patches[..., 3:6]))


def test_constants_and_fills() -> None:
    out = floats(40, 3)
    all_native(lambda ops: ops.fill(2.5, out=out[:, 1:]))
    all_native(lambda ops: ops.copy(np.full((), 1.5, np.float32), out=out))
    all_native(lambda ops: ops.add(out[:0], out[:0], out=out[:0]))


# ------------------------------------------------ what stays with NumPy


def test_unknown_functions_stay() -> None:
    a, out = floats(30), floats(30)
    assert recorded(lambda ops: ops.uniform([0], np.array(3), 0, out=out)) == ["numpy"]
    assert executed_one(np.sort, a, reads=[a], out=out) == "numpy"


def test_overlapping_memory_stays() -> None:
    """NumPy then reads copies of its operands."""
    a = floats(100)
    assert executed_one(np.add, a[1:], a[:-1], a[1:], reads=[a], out=a) == "numpy"
    assert executed_one(np.copyto, a[1:], a[:-1], reads=[a], out=a) == "numpy"
    assert executed_one(np.add, a[:1], a, a, reads=[a], out=a) == "numpy"
    square = floats(8, 8)
    assert executed_one(np.add, square.T, square, square, reads=[square], out=square) == "numpy"
    assert executed_one(np.matmul, square, square, square, reads=[square], out=square) == "numpy"


def test_functions_that_depend_on_strides_stay() -> None:
    """NumPy computes these with other instructions where strides are negative or operands adjacent."""
    a, out = floats(100), floats(50)
    assert executed_one(np.log1p, a[::-2], out, reads=[a], out=out) == "numpy"
    assert executed_one(np.power, a[:50], a[50:], a[:50], reads=[a], out=a) == "numpy"
    assert executed_one(np.expm1, a[:50], a[50:], reads=[a], out=a) == "numpy"
    assert executed_one(np.expm1, a[:49], out[1:], reads=[a], out=out) == "native"


def test_other_dtypes_stay() -> None:
    half, integers = floats(9).astype(np.float16), np.arange(1, 10)
    assert executed_one(np.add, half, half, half, reads=[half], out=half) == "numpy"
    assert executed_one(np.power, integers, integers, integers, reads=[integers], out=integers) == "numpy"
    swapped = floats(9).astype(">f4")
    assert executed_one(np.add, swapped, swapped, half, reads=[swapped], out=half) == "numpy"
    double, single = floats(50, dtype=np.float64), np.zeros((), np.float32)
    assert executed_one(np.add.reduce, double, 0, None, single, False, reads=[double], out=single) == "numpy"


def test_order_of_calls_through_python_is_kept() -> None:
    a = floats(40)

    def record(ops: PlainOps) -> None:
        ops.multiply(a, a, out=a)
        ops.erf(a[::2], out=a[::2])
        ops.add(a, 1.0, out=a)

    assert recorded(record) == ["native", "numpy", "native"]
