"""Every operation of the vocabulary that the workloads use, at their shapes: a regression shows operation by operation.

pytest benchmarks --benchmark-only
"""

from __future__ import annotations

import numpy as np
import pytest

from minisgd.backend import get_ops

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed: pip install 'minisgd[bench]'")

SHAPES = [(1, 784, 256), (32, 784, 256), (512, 784, 256), (32, 256, 128), (32, 64, 32)]
"""B, I, O of dense layers."""

VECTOR = 235_146
"""P of W1: what an optimizer passes over."""


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("b", "i", "o"), SHAPES)
def test_affine(benchmark, b, i, o):
    x, W, bias, y = normal(b, i), normal(i, o), normal(1, o), normal(b, o)
    benchmark(get_ops().affine, x, W, bias, out=y)
    np.testing.assert_allclose(y, x @ W + bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("b", "i", "o"), SHAPES)
def test_weight_gradient(benchmark, b, i, o):
    x, dy, dW = normal(b, i), normal(b, o), normal(i, o)
    benchmark(get_ops().matmul, x.T, dy, out=dW)
    np.testing.assert_allclose(dW, x.T @ dy, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("b", "i", "o"), SHAPES)
def test_input_gradient(benchmark, b, i, o):
    dy, W, dx = normal(b, o), normal(i, o), normal(b, i)
    benchmark(get_ops().matmul, dy, W.T, out=dx)
    np.testing.assert_allclose(dx, dy @ W.T, rtol=1e-4, atol=1e-4)


def test_replicas(benchmark):
    x, W, bias, y = normal(32, 32, 784), normal(32, 784, 64), normal(32, 1, 64), normal(32, 32, 64)
    benchmark(get_ops().affine, x, W, bias, out=y)
    np.testing.assert_allclose(y, x @ W + bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("b", [1, 32, 512])
def test_take(benchmark, b):
    data, index, out = normal(8000, 784), np.random.default_rng(0).integers(8000, size=b), normal(b, 784)
    benchmark(get_ops().take, data, index, out=out)
    np.testing.assert_array_equal(out, data[index])


@pytest.mark.parametrize("b", [1, 32, 512])
def test_sum_batch(benchmark, b):
    dy, db = normal(b, 256), normal(1, 256)
    benchmark(get_ops().sum_batch, dy, out=db)
    np.testing.assert_allclose(db[0], dy.sum(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("op", ["add", "subtract", "multiply", "maximum"])
def test_pass_over_parameters(benchmark, op):
    a, b, out = normal(VECTOR), normal(VECTOR), normal(VECTOR)
    benchmark(getattr(get_ops(), op), a, b, out=out)
    np.testing.assert_array_equal(out, getattr(np, op)(a, b))


@pytest.mark.parametrize("op", ["exp", "sqrt", "tanh", "square"])
def test_function(benchmark, op):
    a, out = np.abs(normal(512, 256)), normal(512, 256)
    benchmark(getattr(get_ops(), op), a, out=out)
    np.testing.assert_allclose(out, getattr(np, op)(a), rtol=1e-5)
