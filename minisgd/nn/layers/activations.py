"""Elementwise nonlinearities. Where the derivative can be had from y alone, y may overwrite x."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.checks import within
from minisgd.nn.declaration import Buffer, Declaration
from minisgd.nn.layer import Layer
from minisgd.typing import Array, Shape


class Activation(Layer):
    """An elementwise map whose derivative is a function of y: stored over x, differentiated over dy."""

    def declare(self, x: Shape) -> Declaration:
        return Declaration(y=x, y_over_x=True, dx_over_dy=True, keeps_y=True, buffers=self._scratch(x))

    def _scratch(self, x: Shape) -> dict[str, Buffer]:
        """Return the work arrays that the activation needs, by attribute."""
        return {}

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        if self.dx is not None:
            self._differentiate(ops, dy, self.dx)
        return self.dx

    def _differentiate(self, ops: Ops, dy: Array, dx: Array) -> None:
        """dx = dy · y′;  dx may be dy"""
        raise NotImplementedError


class ReLU(Activation):
    """Rectified linear unit: y = max(x, 0), y′ = [y > 0]."""

    monotone = True
    mask: Array

    def _scratch(self, x: Shape) -> dict[str, Buffer]:
        return {"mask": Buffer(x, life="scratch", inference=False, dtype="bool")}

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.maximum(x, 0.0, out=self.y)
        return self.y

    def _differentiate(self, ops: Ops, dy: Array, dx: Array) -> None:
        ops.greater(self.y, 0.0, out=self.mask)
        ops.multiply(dy, self.mask, out=dx)


class LeakyReLU(Activation):
    """Leaky rectifier: y = x where x > 0, else a x;  y′ = 1 or a  (Maas et al. 2013).

    Args:
        negative_slope: a, in (0, 1).
        name: Of the layer.

    Raises:
        ArgumentError: If a value is outside its interval.
    """

    monotone = True
    slope: Array

    def __init__(self, negative_slope: float = 0.01, name: str | None = None) -> None:
        super().__init__(name)
        self.negative_slope = within("(0, 1)", negative_slope, f"{self.label}: negative_slope", "0.01 is customary")

    def _scratch(self, x: Shape) -> dict[str, Buffer]:
        return {"slope": Buffer(x, life="scratch")}

    def forward(self, ops: Ops, x: Array) -> Array:
        # 0 < a < 1, so the larger of x and a x is the right branch on both sides
        ops.multiply(x, self.negative_slope, out=self.slope)
        ops.maximum(x, self.slope, out=self.y)
        return self.y

    def _differentiate(self, ops: Ops, dy: Array, dx: Array) -> None:
        ops.greater(self.y, 0.0, out=self.slope)
        ops.maximum(self.slope, self.negative_slope, out=self.slope)
        ops.multiply(dy, self.slope, out=dx)

    def settings(self) -> str:
        return f"negative_slope={self.negative_slope}"


class Sigmoid(Activation):
    """Logistic function: y = 1 / (1 + e^(−x)) = ½ (1 + tanh ½x), y′ = y (1 − y)."""

    slope: Array

    def _scratch(self, x: Shape) -> dict[str, Buffer]:
        return {"slope": Buffer(x, life="scratch", inference=False)}

    def forward(self, ops: Ops, x: Array) -> Array:
        sigmoid(ops, x, out=self.y)
        return self.y

    def _differentiate(self, ops: Ops, dy: Array, dx: Array) -> None:
        ops.subtract(1.0, self.y, out=self.slope)
        ops.multiply(self.slope, self.y, out=self.slope)
        ops.multiply(dy, self.slope, out=dx)


class Tanh(Activation):
    """Hyperbolic tangent: y = tanh x, y′ = 1 − y²."""

    slope: Array

    def _scratch(self, x: Shape) -> dict[str, Buffer]:
        return {"slope": Buffer(x, life="scratch", inference=False)}

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.tanh(x, out=self.y)
        return self.y

    def _differentiate(self, ops: Ops, dy: Array, dx: Array) -> None:
        ops.square(self.y, out=self.slope)
        ops.subtract(1.0, self.slope, out=self.slope)
        ops.multiply(dy, self.slope, out=dx)


class Softplus(Activation):
    """Smooth rectifier: y = ln(1 + eˣ) = max(x, 0) + ln(1 + e^(−|x|)), y′ = 1 − e^(−y)."""

    work: Array

    def _scratch(self, x: Shape) -> dict[str, Buffer]:
        return {"work": Buffer(x, life="scratch")}

    def forward(self, ops: Ops, x: Array) -> Array:
        softplus(ops, x, self.work, out=self.y)
        return self.y

    def _differentiate(self, ops: Ops, dy: Array, dx: Array) -> None:
        # expm1 keeps the digits that 1 − e^(−y) loses where y is small
        ops.negative(self.y, out=self.work)
        ops.expm1(self.work, out=self.work)
        ops.multiply(self.work, dy, out=self.work)
        ops.negative(self.work, out=dx)


def sigmoid(ops: Ops, x: Array, *, out: Array) -> None:
    """out = 1 / (1 + e^(−x)), without overflow at either end"""
    ops.multiply(x, 0.5, out=out)
    ops.tanh(out, out=out)
    ops.add(out, 1.0, out=out)
    ops.multiply(out, 0.5, out=out)


def softplus(ops: Ops, x: Array, work: Array, *, out: Array) -> None:
    """out = ln(1 + eˣ), without overflow; work is scratch like x"""
    ops.absolute(x, out=work)
    ops.negative(work, out=work)
    ops.exp(work, out=work)
    ops.log1p(work, out=work)
    ops.maximum(x, 0.0, out=out)
    ops.add(out, work, out=out)
