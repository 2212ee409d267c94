"""Derivatives without differences: every operation on numbers x + i h x′, of which i h x′ carries the derivative.

For an analytic f, Im f(x + i h v) / h = f′(x) v − h²/6 f‴(x) v³ + … With h = 1e-20 nothing is left of the
error, and no nearly equal numbers are subtracted (Squire and Trapp 1998). A recorded gradient that runs on such
numbers is the exact product of Hessian and v; where a finite difference would step over the kink of a rectifier,
this stays on the side where x is.

Complex numbers have no order and |z| is not analytic: the operations below say what is meant for those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import pi, sqrt
from typing import Any

import numpy as np

from minisgd.backend.cpu.erf import erf_into
from minisgd.backend.ops import Operand, Ops
from minisgd.errors import DtypeError
from minisgd.typing import Array

STEP = 1e-20
"""h: its square is nothing beside 1, and its products with small derivatives do not underflow."""


class ComplexStepOps(Ops):
    """The vocabulary on x + i h x′ in host memory: x decides wherever a decision is made."""

    device = "cpu"

    def __init__(self) -> None:
        super().__init__(np)

    def run(
        self, op: str, function: Callable[..., Any], args: tuple[Any, ...], reads: tuple[Any, ...], out: Array
    ) -> None:
        if out.dtype.kind == "f" and any(np.iscomplexobj(a) for a in reads):
            expected = "an array of the network's dtype, complex while derivatives are taken"
            got, fix = f"{out.dtype}, which would drop the derivative", "declare the Buffer without a dtype"
            raise DtypeError(f"{self._layer or 'network'}: result of {op}", expected=expected, got=got, fix=fix)
        super().run(op, function, args, reads, out)

    def elementwise(self, op: str, *operands: Operand, out: Array) -> None:
        if op in COMPARISONS:
            super().elementwise(op, *map(_real, operands), out=out)
        elif op in BRANCHES:
            self.run(op, BRANCHES[op], (*operands, out), operands, out)
        else:
            super().elementwise(op, *operands, out=out)

    def blocks(self, count: int, size: int) -> Iterator[slice]:
        """Yield 0 … count in slices of a size, for the bodies of the CPU's layers."""
        for start in range(0, count, size):
            yield slice(start, min(start + size, count))

    def copy(self, a: Array, *, out: Array) -> None:
        super().copy(_real(a) if out.dtype.kind == "i" else a, out=out)

    def dot(self, a: Array, b: Array, *, out: Array) -> None:
        self.run("dot", _dot, (a, b, out), (a, b), out)

    def erf(self, a: Array, *, out: Array) -> None:
        self.run("erf", _erf, (a, out), (a,), out)


COMPARISONS = {"greater", "greater_equal", "equal"}


def _real(a: Any) -> Any:
    return a if isinstance(a, float | int) else a.real


def _maximum(a: Any, b: Any, out: Array) -> None:
    """out = a where a > b, else b: at a tie the derivative is that of b.  NaN in a wins."""
    out[...] = np.where(_real(a) <= _real(b), b, a)


def _minimum(a: Any, b: Any, out: Array) -> None:
    """out = a where a < b, else b: at a tie the derivative is that of b.  NaN in a wins."""
    out[...] = np.where(_real(a) >= _real(b), b, a)


def _dot(a: Array, b: Array, out: Array) -> None:
    """out = Σ a b; NumPy's vecdot takes the conjugate of a"""
    np.einsum("...p,...p->...", a, b, out=out)


def _absolute(a: Array, out: Array) -> None:
    """out = a sign x, with x = Re a"""
    np.multiply(a, np.sign(a.real), out=out)


def _sign(a: Array, out: Array) -> None:
    """out = sign x, whose derivative is 0"""
    out[...] = np.sign(a.real)


def _erf(a: Array, out: Array) -> None:
    """erf′(x) = 2/√π e^(−x²)"""
    value, slope = np.empty_like(a.real), 2 / sqrt(pi) * np.exp(-np.square(a.real))
    erf_into(np.ascontiguousarray(a.real), value)
    out[...] = value + 1j * slope * a.imag


BRANCHES: dict[str, Callable[..., None]] = {
    "maximum": _maximum,
    "minimum": _minimum,
    "absolute": _absolute,
    "sign": _sign,
}
"""What is decided by the real part, and then follows the branch that was taken."""
