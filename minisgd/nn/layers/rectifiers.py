"""Rectifiers that are not flat below zero: exponential, and with a slope that is learned."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.checks import within
from minisgd.nn.declaration import Buffer, Declaration, Parameter
from minisgd.nn.initializers import Constant, Initializer, require_rule
from minisgd.nn.layer import Layer
from minisgd.nn.layers.activations import Activation
from minisgd.nn.shapes import rows
from minisgd.typing import Array, Shape


class ELU(Activation):
    """Exponential linear unit: y = x where x > 0, else α (eˣ − 1);  y′ = 1 or y + α  (Clevert et al. 2015).

    Args:
        alpha: α > 0, the bound −α that y approaches.
        name: Of the layer.

    Raises:
        ArgumentError: If a value is outside its interval.
    """

    scale = 1.0
    work: Array
    above: Array

    def __init__(self, alpha: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.alpha = within("(0, inf)", alpha, f"{self.label}: alpha", "1.0 is customary")

    def _scratch(self, x: Shape) -> dict[str, Buffer]:
        return {"work": Buffer(x, life="scratch"), "above": Buffer(x, life="scratch", inference=False)}

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.minimum(x, 0.0, out=self.work)
        ops.expm1(self.work, out=self.work)
        ops.multiply(self.work, self.scale * self.alpha, out=self.work)
        ops.maximum(x, 0.0, out=self.y)
        if self.scale != 1:
            ops.multiply(self.y, self.scale, out=self.y)
        ops.add(self.y, self.work, out=self.y)
        return self.y

    def _differentiate(self, ops: Ops, dy: Array, dx: Array) -> None:
        # with s the scale: y′ = min(y, 0) + s α, and s (1 − α) more where y > 0
        ops.minimum(self.y, 0.0, out=self.work)
        ops.add(self.work, self.scale * self.alpha, out=self.work)
        if self.alpha != 1:
            ops.greater(self.y, 0.0, out=self.above)
            ops.multiply(self.above, self.scale * (1 - self.alpha), out=self.above)
            ops.add(self.work, self.above, out=self.work)
        ops.multiply(dy, self.work, out=dx)

    def settings(self) -> str:
        return f"alpha={self.alpha}"


class SELU(ELU):
    """Self-normalising ELU: y = λ ELU(x), with α and λ for which mean 0 and variance 1 are a fixed point.

    α = 1.6733, λ = 1.0507  (Klambauer et al. 2017, equation 2, where both stand to 16 digits)

    Args:
        name: Of the layer.
    """

    scale = 1.0507009873554804934193349852946

    def __init__(self, name: str | None = None) -> None:
        super().__init__(1.6732632423543772848170429916717, name)

    def settings(self) -> str:
        return ""


class PReLU(Layer):
    """Rectifier with learned slopes: y = max(x, 0) + a min(x, 0), one a for each channel  (He et al. 2015).

    x (…, B, F) or (…, B, H, W, C)   a (…, 1, C)

    Args:
        init: Draws a; ¼ by default.
        name: Of the layer.
    """

    a: Array
    da: Array
    below: Array
    work: Array

    def __init__(self, *, init: Initializer | None = None, name: str | None = None) -> None:
        super().__init__(name)
        self.init = require_rule(init, f"{self.label}: init") or Constant(0.25)

    def declare(self, x: Shape) -> Declaration:
        return Declaration(
            y=x,
            parameters={"a": Parameter((x[-1],), self.init, "norm")},  # no decay: it would pull towards ReLU
            buffers={"below": Buffer(x), "work": Buffer(x, life="scratch")},
            dx_over_dy=True,
        )

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.minimum(x, 0.0, out=self.below)
        ops.multiply(rows(self.below, self.lead), self.a, out=rows(self.work, self.lead))
        ops.maximum(x, 0.0, out=self.y)
        ops.add(self.y, self.work, out=self.y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """da = Σ dy min(x, 0)    dx = dy where x > 0, else a dy"""
        work = rows(self.work, self.lead)
        if self.learns:
            ops.multiply(dy, self.below, out=self.work)
            ops.sum_batch(work, out=self.da)
        if self.dx is not None:
            ops.greater_equal(0.0, self.x, out=self.work)
            ops.multiply(self.work, dy, out=self.work)  # dy where x ≤ 0
            ops.subtract(dy, self.work, out=self.dx)
            ops.multiply(work, self.a, out=work)
            ops.add(self.dx, self.work, out=self.dx)
        return self.dx
