"""Every operation of the vocabulary against NumPy, on every dtype, into a given output."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.backend import NumpyOps, Ops
from minisgd.backend.cpu.scatter import SCATTERED
from minisgd.backend.cuda.cupy_ops import CupyOps
from minisgd.errors import DtypeError

DTYPES = ["float32", "float64"]


def draw(dtype: str, *shape: int, positive: bool = False, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).normal(0, 2, shape)
    return (np.abs(values) + 0.1 if positive else values).astype(dtype)


BINARY: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": lambda a, b: np.abs(a) ** b,
    "maximum": lambda a, b: np.where(a > b, a, b),
    "minimum": lambda a, b: np.where(a < b, a, b),
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "equal": lambda a, b: a == b,
}

UNARY: dict[str, Callable[..., Any]] = {
    "negative": lambda a: -a,
    "absolute": abs,
    "sign": lambda a: (a > 0) * 1.0 - (a < 0) * 1.0,
    "square": lambda a: a * a,
    "sqrt": lambda a: a**0.5,
    "exp": lambda a: np.e**a,
    "expm1": lambda a: np.e**a - 1,
    "log": lambda a: np.log2(a) * np.log(2),
    "log1p": lambda a: np.log(1 + a),
    "tanh": lambda a: 1 - 2 / (np.exp(2 * a) + 1),
}

OTHERS = {
    "erf",
    "copy",
    "fill",
    "sum",
    "max",
    "argmax",
    "sum_batch",
    "dot",
    "matmul",
    "affine",
    "take",
    "add_rows",
    "put_rows",
    "uniform",
}
OTHERS |= {"rescale", "take_rescaled", "elementwise", "one_hot"}


def test_every_operation_has_a_test() -> None:
    writing = {
        name
        for name, method in inspect.getmembers(Ops, inspect.isfunction)
        if "out" in inspect.signature(method).parameters and name not in {"run", "upload"}
    }
    assert writing == set(BINARY) | set(UNARY) | OTHERS


@pytest.mark.parametrize("device", [NumpyOps, CupyOps])
def test_a_device_keeps_the_signatures(device: type[Ops]) -> None:
    for name, method in inspect.getmembers(device, inspect.isfunction):
        if hasattr(Ops, name) and name != "__init__":
            base = inspect.signature(getattr(Ops, name))
            assert [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()] == [
                (p.name, p.kind, p.default) for p in base.parameters.values()
            ], name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str, dtype: str) -> None:
    ops, formula = NumpyOps(), BINARY[name]
    a, b = draw(dtype, 3, 4, positive=name == "power"), draw(dtype, 4, seed=1)
    a[0] = np.abs(b) if name == "power" else b  # ties
    for x, y in [(a, b), (a, a), (a, 0.5), (0.5, a), (a, 2)]:
        for out in (np.empty((3, 4), dtype), np.empty((4, 3), dtype).T):
            getattr(ops, name)(x, y, out=out)
            assert_allclose(
                out, formula(np.asarray(x, dtype), np.asarray(y, dtype)), rtol=1e-5 if dtype == "float32" else 1e-12
            )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, dtype: str) -> None:
    ops, a = NumpyOps(), draw(dtype, 3, 4, positive=name in {"sqrt", "log", "log1p"})
    for out in (np.empty((3, 4), dtype), a.copy()):
        source = a if out.base is None and not np.array_equal(out, a) else out
        expected = UNARY[name](source.astype("float64"))
        getattr(ops, name)(source, out=out)
        assert_allclose(
            out, expected, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6 if dtype == "float32" else 1e-15
        )


@pytest.mark.parametrize("name", ["greater", "greater_equal", "equal"])
@pytest.mark.parametrize("out_dtype", ["bool", "float32", "float64"])
def test_comparisons_write_numbers_too(name: str, out_dtype: str) -> None:
    a, b, out = np.array([1.0, 2, 3]), np.array([3.0, 2, 1]), np.empty(3, out_dtype)
    getattr(NumpyOps(), name)(a, b, out=out)
    assert_array_equal(out, BINARY[name](a, b))


@pytest.mark.parametrize("name", ["maximum", "minimum", "add", "multiply"])
def test_nan_wins(name: str) -> None:
    out = np.zeros(2)
    getattr(NumpyOps(), name)(np.array([np.nan, 1]), np.array([1, np.nan]), out=out)
    assert np.isnan(out).all()


def test_a_mask_multiplies() -> None:
    out = np.empty(3, "float32")
    NumpyOps().multiply(np.array([1, 2, 3], "float32"), np.array([True, False, True]), out=out)
    assert_array_equal(out, [1, 0, 3])


def test_numbers_never_promote() -> None:
    """A float64 scalar would turn float32 into float64; a constant takes the dtype of the arrays."""
    ops = NumpyOps()
    with ops.record() as program:
        ops.multiply(np.ones(2, "float32"), np.float64(0.1), out=np.empty(2, "float32"))
        ops.add(1, np.ones(2, "float64"), out=np.empty(2))
    assert [[a.dtype.name for a in call.reads] for call in program] == [["float32"] * 2, ["float64"] * 2]
    assert ops.constant(0.1, "float32") is ops.constant(0.1, np.float32)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rescale_turns_bytes_into_floats(dtype: str) -> None:
    a, out = np.arange(256, dtype=np.uint8), np.empty(256, dtype)
    NumpyOps().rescale(a, 1 / 255, out=out)
    assert_allclose(out, np.arange(256) / 255, rtol=1e-6)


@pytest.mark.parametrize("dtype", [*DTYPES, "int64", "bool"])
def test_copy_and_fill(dtype: str) -> None:
    ops, out = NumpyOps(), np.empty((2, 3), dtype)
    ops.copy(np.array([0.0, 1.0, 1.0]), out=out)
    assert_array_equal(out, [[0, 1, 1]] * 2)
    ops.fill(1.0, out=out)
    assert_array_equal(out, np.ones((2, 3)))
    part = np.zeros((4, 4), dtype)
    ops.fill(1.0, out=part[1:3, ::2])
    assert part.sum() == 4


@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions(dtype: str) -> None:
    ops, a = NumpyOps(), draw(dtype, 3, 4, 5)
    for axis, keepdims in [(-1, False), (-1, True), (0, False), ((-3, -2), False), ((), False)]:
        expected = a.sum(axis, keepdims=keepdims)
        out = np.empty(expected.shape, dtype)
        ops.sum(a, axis, out=out, keepdims=keepdims)
        assert_allclose(out, expected, rtol=1e-6)
    for keepdims in (False, True):
        out = np.empty(a.max(-1, keepdims=keepdims).shape, dtype)
        ops.max(a, -1, out=out, keepdims=keepdims)
        assert_array_equal(out, a.max(-1, keepdims=keepdims))
    index = np.empty((3, 4), "int64")
    ops.argmax(a, -1, out=index)
    assert_array_equal(index, a.argmax(-1))
    ops.argmax(np.zeros((3, 4, 5)), -1, out=index)
    assert not index.any()  # the first of equals
    batch = np.empty((3, 1, 5), dtype)
    ops.sum_batch(a, out=batch)
    assert_allclose(batch, a.sum(-2, keepdims=True), rtol=1e-5)
    count = np.empty((3, 4), "float64")
    ops.sum(a > 0, -1, out=count)
    assert_array_equal(count, (a > 0).sum(-1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 31, 33, 257])
def test_dot(dtype: str, n: int) -> None:
    a, b, out = draw(dtype, 3, n), draw(dtype, 3, n, seed=1), np.empty(3, dtype)
    NumpyOps().dot(a, b, out=out)
    assert_allclose(out, (a * b).sum(-1), rtol=1e-4 if dtype == "float32" else 1e-12)
    one = np.empty((), dtype)
    NumpyOps().dot(a[0], b[0], out=one)
    assert_allclose(one, out[0], rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
@pytest.mark.parametrize(("m", "k", "n"), [(4, 5, 6), (4, 1, 6), (1, 1, 1), (1, 7, 1), (33, 31, 1), (1, 32, 257)])
def test_matmul(dtype: str, lead: Any, m: int, k: int, n: int) -> None:
    ops = NumpyOps()
    a, b, bias = draw(dtype, *lead, m, k), draw(dtype, *lead, k, n, seed=1), draw(dtype, *lead, 1, n, seed=2)
    out, expected = np.empty((*lead, m, n), dtype), np.einsum("...mk,...kn->...mn", a, b)
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-12}
    ops.matmul(a, b, out=out)
    assert_allclose(out, expected, **close)
    ops.matmul(np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2), b, out=out)
    assert_allclose(out, expected, **close)
    ops.affine(a, b, bias, out=out)
    assert_allclose(out, expected + bias, **close)
    shared = np.broadcast_to(a[(0,) * len(lead)], a.shape)
    ops.matmul(shared, b, out=out)
    assert_allclose(out, np.einsum("...mk,...kn->...mn", shared, b), **close)


@pytest.mark.parametrize("dtype", [*DTYPES, "uint8", "int64"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 1)])
def test_take(dtype: str, shape: Any) -> None:
    a = np.arange(7 * int(np.prod(shape))).reshape(7, *shape).astype(dtype)
    for index in (np.array([6, 0, 3, 3]), np.array([[1, 2], [0, 6]])):
        out = np.empty((*index.shape, *shape), dtype)
        NumpyOps().take(a, index, out=out)
        assert_array_equal(out, a[index])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 5, 3 * SCATTERED])
def test_add_rows_is_the_transpose_of_take(dtype: str, n: int) -> None:
    a, index = draw(dtype, n, 3), np.random.default_rng(0).integers(0, 4, n)
    expected = np.zeros((6, 3))
    np.add.at(expected, index, a.astype(float))
    for add_rows in (NumpyOps().add_rows, lambda *args, **options: Ops.add_rows(NumpyOps(), *args, **options)):
        for cleared in (False, True):
            out = np.full((6, 3), np.nan, dtype)
            out[np.setdiff1d(np.arange(6), index) if cleared else ()] = 0
            add_rows(a, index, out=out, cleared=cleared)
            assert_allclose(out, expected, rtol=1e-4 if dtype == "float32" else 1e-12, atol=1e-2 if n > 9 else 1e-6)


def test_put_rows_puts_back_what_take_took() -> None:
    a, index = draw("float32", 6, 3), np.array([4, 0, 4])
    taken, out = np.empty((3, 3), np.float32), a.copy()
    NumpyOps().take(a, index, out=taken)
    NumpyOps().put_rows(2 * taken, index, out=out)
    assert_array_equal(out, a * np.array([2, 1, 1, 1, 2, 1], np.float32)[:, None])


@pytest.mark.parametrize("dtype", DTYPES)
def test_take_rescaled_is_take_and_rescale(dtype: str) -> None:
    a, index = np.arange(12, dtype=np.uint8).reshape(4, 3), np.array([3, 0, 3])
    work, out = np.empty((3, 3), np.uint8), np.empty((3, 3), dtype)
    NumpyOps().take_rescaled(a, index, 1 / 255, work=work, out=out)
    assert_array_equal(work, a[index])
    assert_allclose(out, a[index] / 255, rtol=1e-6)


@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (4, 5)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (3, 3)])
def test_windows_are_views(kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    x = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)
    view = NumpyOps().windows(x, kernel, stride)
    assert np.shares_memory(view, x)
    for i in range(view.shape[1]):
        for j in range(view.shape[2]):
            top, left = i * stride[0], j * stride[1]
            assert_array_equal(view[:, i, j], x[:, top : top + kernel[0], left : left + kernel[1]])
    assert (view.shape[1], view.shape[2]) == ((4 - kernel[0]) // stride[0] + 1, (5 - kernel[1]) // stride[1] + 1)


def test_arrays_of_another_device_are_refused() -> None:
    ops = NumpyOps()
    ops.require(np.zeros(3), "x")
    for stranger in ([1.0], 3.0, memoryview(b"abc")):
        with pytest.raises(DtypeError, match=r"x must be an array on device 'cpu', got .*; move it first"):
            ops.require(stranger, "x")


def test_upload_and_download() -> None:
    ops, out = NumpyOps(), np.zeros((2, 2), "float32")
    with ops.record() as program:
        ops.upload([[1, 2], [3, 4]], out=out)
    assert len(program) == 0  # now, recorded or not
    host = ops.to_host(out)
    assert_array_equal(host, [[1, 2], [3, 4]])
    assert not np.shares_memory(host, out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_one_hot(lead: tuple[int, ...], dtype: str) -> None:
    labels = np.random.default_rng(0).integers(4, size=(*lead, 5))
    out = np.full((*lead, 4, 5), np.nan, dtype)
    NumpyOps().one_hot(labels, out=out)
    assert_array_equal(out.argmax(-2), labels)
    assert_array_equal(out.sum(-2), 1)


def test_a_batch_of_one_is_its_own_sum() -> None:
    a, out = draw("float32", 2, 1, 5), np.empty((2, 1, 5), np.float32)
    NumpyOps().sum_batch(a, out=out)
    assert_array_equal(out, a)


def test_one_number_is_read_anew_at_every_replay() -> None:
    ops, a, factor, out = NumpyOps(), draw("float32", 5), np.array([2.0], np.float32), np.empty(5, np.float32)
    with ops.record() as program:
        ops.multiply(a, factor, out=out)
    factor[0] = 3
    program.replay()
    assert_array_equal(out, 3 * a)
