"""The operations of the GPU against those of the CPU, on the test double for CuPy, run at once and in a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.backend import NumpyOps
from minisgd.backend.cuda import products as cupy_products
from minisgd.backend.cuda.cupy_ops import CupyOps
from minisgd.backend.cuda.products import Row, chosen, table
from minisgd.errors import DtypeError
from tests.cuda.fake_cupy import DEVICE

DTYPES = ["float32", "float64"]


@pytest.fixture
def cuda(fake_cupy) -> CupyOps:
    return CupyOps()


def draw(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, shape).astype(dtype)


def compare(
    cuda: CupyOps, op: str, operands: list[Any], shape: Any, dtype: str, *, exact: bool = False, **options: Any
):
    """Run an operation on both devices, on the GPU once at once and twice in a program, and compare the results."""
    expected = np.zeros(shape, dtype)
    getattr(NumpyOps(), op)(*operands, out=expected, **options)
    on_device = [cuda.from_host(a) if isinstance(a, np.ndarray) else a for a in operands]
    results = []
    out = cuda.zeros(shape, dtype)
    getattr(cuda, op)(*on_device, out=out, **options)
    results.append(cuda.to_host(out))
    with cuda.record() as program:
        getattr(cuda, op)(*on_device, out=out, **options)
    for _ in range(3):  # call by call, captured, launched as a graph
        cuda.fill(77.0, out=out)
        program.replay()
        results.append(cuda.to_host(out))
    for result in results:
        if exact:
            assert_array_equal(result, expected)
        else:
            tolerance = 1e-5 if dtype == "float32" else 1e-12
            size = np.abs(expected).max(initial=1)
            assert_allclose(result, expected, rtol=tolerance, atol=tolerance * size)
    return program


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
@pytest.mark.parametrize(("m", "k", "n"), [(4, 5, 6), (4, 1, 6), (1, 1, 1), (1, 7, 1), (33, 31, 1), (1, 32, 257)])
def test_products(cuda, dtype, lead, m, k, n):
    a, b, bias = draw(dtype, *lead, m, k), draw(dtype, *lead, k, n, seed=1), draw(dtype, *lead, 1, n, seed=2)
    compare(cuda, "matmul", [a, b], (*lead, m, n), dtype)
    compare(cuda, "affine", [a, b, bias], (*lead, m, n), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("a_turned", "b_turned", "out_turned"), list(np.ndindex(2, 2, 2)))
def test_products_of_transposed_matrices(cuda, dtype, a_turned, b_turned, out_turned):
    def turned(shape, turn, seed):
        whole = draw(dtype, 2, *(shape[::-1] if turn else shape), seed=seed)
        on_device = cuda.from_host(whole)
        return (whole.swapaxes(1, 2), on_device.swapaxes(1, 2)) if turn else (whole, on_device)

    (a, device_a), (b, device_b) = turned((4, 5), a_turned, 0), turned((5, 6), b_turned, 1)
    _, out = turned((4, 6), out_turned, 2)
    with cuda.record() as program:
        cuda.matmul(device_a, device_b, out=out)
    (call,) = program
    program.replay()
    assert_allclose(cuda.to_host(out), a @ b, rtol=1e-4 if dtype == "float32" else 1e-12, atol=1e-5)
    # one form is missing from the kernels: both transposed into rows
    assert hasattr(call.function, "uncapturable") == ((a_turned, b_turned, out_turned) in {(1, 1, 0), (0, 0, 1)})


@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions(cuda, dtype):
    a = draw(dtype, 3, 4, 5)
    for axis, keepdims, shape in [
        (-1, False, (3, 4)),
        (-1, True, (3, 4, 1)),
        (0, False, (4, 5)),
        (-2, True, (3, 1, 5)),
        ((-3, -2), False, (5,)),
        ((-2, -1), False, (3,)),
        ((0, 2), False, (4,)),
        ((), False, (3, 4, 5)),
    ]:
        compare(cuda, "sum", [a, axis], shape, dtype, keepdims=keepdims)
    compare(cuda, "sum_batch", [a], (3, 1, 5), dtype)
    for axis, keepdims, shape in [(-1, False, (3, 4)), (-2, True, (3, 1, 5))]:
        compare(cuda, "max", [a, axis], shape, dtype, exact=True, keepdims=keepdims)
        compare(cuda, "argmax", [a, axis], a.argmax(axis).shape, "int64", exact=True)
    compare(cuda, "sum", [a > 0, -1], (3, 4), "float64", exact=True)
    compare(cuda, "sum", [a, -1], (3, 4), "float64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lead", [(), (3,)])
def test_dot(cuda, dtype, lead):
    compare(cuda, "dot", [draw(dtype, *lead, 33), draw(dtype, *lead, 33, seed=1)], lead, dtype)


def test_a_long_sum_is_cut_into_slabs(cuda):
    a = draw("float32", 5000, 3)
    compare(cuda, "sum_batch", [a], (1, 3), "float32")
    compare(cuda, "dot", [a.reshape(-1), a.reshape(-1)], (), "float32")


@pytest.mark.parametrize("dtype", [*DTYPES, "int64", "uint8"])
@pytest.mark.parametrize("index", [np.array([6, 0, 3, 3]), np.array([[1, 2], [0, 6]])])
def test_take(cuda, dtype, index):
    a = np.arange(7 * 5).reshape(7, 5).astype(dtype)
    compare(cuda, "take", [a, index], (*index.shape, 5), dtype, exact=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform_numbers_are_those_of_the_cpu_at_every_time(cuda, dtype):
    clock, seeds = cuda.from_host(np.asarray(3)), (5, 6, 7)
    whole = cuda.zeros((3, 11, 4), dtype)
    for out in (whole, whole[:, :5]):  # a short batch: replicas lie apart
        cuda.upload(3, out=clock)
        with cuda.record() as program:
            cuda.uniform(seeds, clock, 2, out=out)
            cuda.add(clock, 1, out=clock)
        for time in (3, 4, 5):
            program.replay()
            expected = np.zeros(out.shape, dtype)
            NumpyOps().uniform(seeds, np.asarray(time), 2, out=expected)
            assert_array_equal(cuda.to_host(out), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_elementwise(cuda, dtype):
    a, b = draw(dtype, 3, 4), draw(dtype, 4, seed=1)
    for op in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "greater", "equal"):
        for operands in ([a, b], [a, a], [a, 0.5], [0.5, a]):
            compare(cuda, op, operands, (3, 4), dtype)
    for op in ("negative", "absolute", "sign", "square", "exp", "expm1", "tanh", "erf"):
        compare(cuda, op, [a], (3, 4), dtype)
    for op in ("sqrt", "log", "log1p"):
        compare(cuda, op, [np.abs(a) + 0.1], (3, 4), dtype)
    compare(cuda, "multiply", [a, np.array([True, False, True, True])], (3, 4), dtype, exact=True)
    compare(cuda, "rescale", [np.arange(12, dtype="uint8").reshape(3, 4), 1 / 255], (3, 4), dtype)
    compare(cuda, "copy", [b], (3, 4), dtype, exact=True)


def test_work_in_place_through_another_view_makes_no_copy(cuda, fake_cupy):
    whole = cuda.from_host(np.ones((2, 3)))
    used = fake_cupy.get_default_memory_pool().used_bytes()
    cuda.multiply(whole.reshape(6), 2.0, out=whole.reshape(6))
    cuda.erf(whole[:], out=whole[:])
    assert fake_cupy.get_default_memory_pool().used_bytes() == used
    cuda.synchronize()


def test_a_result_is_never_narrowed_in_silence(cuda):
    wide, narrow = cuda.zeros((2, 3), "float64"), cuda.zeros((2, 3), "float32")
    for run in (
        lambda: cuda.add(wide, narrow, out=narrow),
        lambda: cuda.sum(wide, -1, out=narrow[:, 0]),
        lambda: cuda.matmul(wide, wide.swapaxes(0, 1), out=cuda.zeros((2, 2), "float32")),
        lambda: cuda.dot(wide, narrow, out=narrow[:, 0]),
        lambda: cuda.uniform((1, 2), cuda.zeros((), "int64"), 0, out=cuda.zeros((2, 3), "int64")),
    ):
        with pytest.raises(DtypeError):
            run()
    cuda.copy(wide, out=narrow)
    cuda.add(narrow, np.float64(0.1), out=narrow)  # a number has no width
    assert_allclose(cuda.to_host(narrow), 0.1, rtol=1e-6)


def test_large_products_are_left_to_cublas_and_say_so(cuda, monkeypatch, fake_cupy):
    a, out = draw("float32", 64, 64), cuda.zeros((64, 64), "float32")
    monkeypatch.setattr(cupy_products, "table", lambda: (Row("float32", 0, 1, "cublas", "estimated"),))
    x = cuda.from_host(a)
    with cuda.record() as program:
        cuda.matmul(x, x, out=out)
    (call,) = program
    assert call.op == "matmul" and "cuBLAS multiplies (64, 64) (64, 64) faster" in call.function.uncapturable
    with cuda.record() as program:
        cuda.affine(x, x, x[:1], out=out)
    assert [call.op for call in program] == ["matmul", "add"]
    program.replay()
    assert_allclose(cuda.to_host(out), a @ a + a[:1], rtol=1e-4, atol=1e-3)


def only_cublas(monkeypatch):
    rows = [Row(name, 0, 1, "cublas", "estimated") for name in ("float32", "tf32", "float64")]
    monkeypatch.setattr(cupy_products, "table", lambda: rows)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_tf32_only_when_it_is_asked_for(fake_cupy, monkeypatch, lead):
    a = draw("float32", *lead, 8, 8)
    only_cublas(monkeypatch)
    settings, errors = fake_cupy._core._routines_linalg, {}
    for precision in ("full", "tf32", "full"):
        settings.set_compute_type(np.float32, settings.COMPUTE_TYPE_TF32)  # by somebody else in this process
        cuda = CupyOps(precision)
        out = cuda.zeros((*lead, 8, 8), "float32")
        cuda.matmul(cuda.from_host(a), cuda.from_host(a), out=out)
        errors[precision] = np.abs(cuda.to_host(out) - a @ a).max()
    assert errors["full"] < 1e-5 < errors["tf32"]


def test_cublas_gets_matrices_that_it_need_not_copy(cuda, monkeypatch, fake_cupy):
    """Replicas of transposed matrices and of weights within flat vectors, which CuPy copies where it gets a stack."""
    only_cublas(monkeypatch)
    x, dy = cuda.from_host(draw("float32", 3, 8, 8)), cuda.from_host(draw("float32", 3, 8, 8, seed=1))
    vector, dx = cuda.from_host(draw("float32", 3, 70)), cuda.zeros((3, 8, 8), "float32")
    W, dW = vector[:, :64].reshape(3, 8, 8), cuda.zeros((3, 70), "float32")[:, :64].reshape(3, 8, 8)
    pool = fake_cupy.get_default_memory_pool()
    with cuda.record() as program:
        cuda.matmul(x.swapaxes(-1, -2), dy, out=dW)
        cuda.matmul(dy, W.swapaxes(-1, -2), out=dx)
    pool.free_all_blocks()
    before = pool.total_bytes()
    program.replay()
    assert pool.total_bytes() == before and DEVICE.products == 6
    assert_allclose(cuda.to_host(dW), cuda.to_host(x).swapaxes(-1, -2) @ cuda.to_host(dy), rtol=1e-5, atol=1e-4)
    # rows some distance apart it would copy, and a kernel does not
    apart = cuda.from_host(draw("float32", 8, 12))[:, :8]
    assert cuda.reason_for_cublas(apart, apart, dx[0]) is None


def test_the_table_of_products_is_whole():
    for precision in ("float32", "float64", "tf32"):
        assert chosen(precision, 1, 1, 1).choice == "kernel"
        assert chosen(precision, 128, 512, 512).choice == "kernel"
        assert chosen(precision, 8192, 4096, 4096).choice == "cublas"
        assert chosen(precision, 10**6, 10, 10**4).choice == "kernel"  # a narrow one stays in the graph
    assert {row.choice for row in table()} == {"kernel", "cublas"}
    assert {row.basis for row in table()} <= {"measured", "estimated"}
