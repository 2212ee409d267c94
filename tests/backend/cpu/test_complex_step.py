"""The complex step: derivatives of every operation, exact, and on the right side of every kink."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.backend import NumpyOps, Ops
from minisgd.backend.cpu.complex_step import STEP, ComplexStepOps
from minisgd.errors import DtypeError

SMOOTH: dict[str, Callable[[Any], Any]] = {
    "negative": lambda x: -np.ones_like(x),
    "absolute": np.sign,
    "sign": np.zeros_like,
    "square": lambda x: 2 * x,
    "sqrt": lambda x: 0.5 / np.sqrt(x),
    "exp": np.exp,
    "expm1": np.exp,
    "log": lambda x: 1 / x,
    "log1p": lambda x: 1 / (1 + x),
    "tanh": lambda x: 1 / np.cosh(x) ** 2,
    "erf": lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2)),
}


def run(op: str, *operands: Any) -> Any:
    out = np.empty(np.broadcast_shapes(*map(np.shape, operands)), complex)
    getattr(ComplexStepOps(), op)(*operands, out=out)
    return out


@pytest.mark.parametrize("op", SMOOTH)
def test_derivative_of_an_elementwise_operation(op: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 3, 50) if op in ("sqrt", "log", "log1p") else rng.normal(0, 2, 50)
    v, plain = rng.normal(0, 1, 50), np.empty(50)
    y = run(op, x + 1j * STEP * v)
    getattr(NumpyOps(), op)(x, out=plain)
    assert_allclose(y.real, plain, rtol=1e-14, atol=1e-15)
    assert_allclose(y.imag / STEP, SMOOTH[op](x) * v, rtol=1e-13, atol=1e-16)


def test_the_larger_and_the_smaller_bring_their_own_derivative() -> None:
    a, b = np.array([1 + 2j, 3 + 4j, -1 + 5j]), np.array([2 + 7j, 1 + 8j, -1 + 9j])
    assert_allclose(run("maximum", a, b), [2 + 7j, 3 + 4j, -1 + 9j])
    assert_allclose(run("minimum", a, b), [1 + 2j, 1 + 8j, -1 + 9j])
    assert np.isnan(run("maximum", np.array([np.nan + 0j]), 0.0)).all()


def test_an_inner_product_takes_no_conjugate() -> None:
    a, b, out = np.array([[1 + 2j, 3j]]), np.array([[2 - 1j, 1 + 1j]]), np.empty(1, complex)
    ComplexStepOps().dot(a, b, out=out)
    assert_allclose(out, (a * b).sum(-1))


def test_at_its_kink_a_rectifier_has_the_derivative_that_backward_gives_it() -> None:
    x = np.array([1j, -1j, 0j]) * STEP
    assert_allclose(run("maximum", x, 0.0), 0.0, atol=0)
    assert_allclose(run("greater", x, 0.0), 0.0, atol=0)


@pytest.mark.parametrize("op", ["greater", "greater_equal", "equal"])
def test_comparisons_look_at_the_real_part(op: str) -> None:
    real = np.array([1.0, 2.0, 2.0, 3.0])
    a, b, plain = real + 1j * np.array([9, -9, 9, 0]), np.full(4, 2 + 0.5j), np.empty(4, bool)
    getattr(NumpyOps(), op)(real, 2.0, out=plain)
    assert_allclose(run(op, a, b), plain)
    assert_allclose(run(op, a, 2.0), plain)


def test_a_result_that_would_drop_the_derivative_is_refused() -> None:
    ops, a, out = ComplexStepOps(), np.ones(3, complex), np.empty(3)
    for operation in (ops.copy, ops.exp, ops.absolute):
        with pytest.raises(DtypeError, match=r"result of \w+ must be an array of the network's dtype.*without a dtype"):
            operation(a, out=out)
    ops.greater(a, 0.0, out=out)  # decided by the real part, and constant


def test_the_step_can_be_recorded_and_keeps_the_signatures() -> None:
    ops, a = ComplexStepOps(), np.array([-1 + 1j, 2 + 3j])
    out = np.empty_like(a)
    with ops.record() as program:
        ops.absolute(a, out=out)
        ops.maximum(out, 1.5, out=out)
    a *= 2
    program.replay()
    assert_allclose(out, [2 - 2j, 4 + 6j])
    for name, method in inspect.getmembers(ComplexStepOps, inspect.isfunction):
        if hasattr(Ops, name) and name != "__init__":
            assert (
                inspect.signature(method).parameters.keys() == inspect.signature(getattr(Ops, name)).parameters.keys()
            )
