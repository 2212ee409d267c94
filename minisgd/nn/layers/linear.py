"""The dense layer."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.checks import positive, require_flag
from minisgd.nn.declaration import Declaration, Parameter
from minisgd.nn.initializers import HeNormal, Initializer, Zeros, require_rule
from minisgd.nn.layer import Layer
from minisgd.nn.shapes import rows, transpose
from minisgd.typing import Array, Shape


class Linear(Layer):
    """Dense layer: y = x W + b.

    x (…, B, I)   W (…, I, O)   b (…, 1, O)   y (…, B, O);  … are replica axes. I is learnt from the data.
    A sequence x (…, B, T, I), or any more axes, is a batch of its last axis: all positions share W and b.

    Args:
        features: O.
        bias: Whether b is learned.
        init: Draws W; He normal by default. PyTorch's is ``FanInUniform()``.
        bias_init: Draws b; zero by default. PyTorch's is ``FanInUniform()``.
        name: Of the layer.

    Raises:
        ArgumentError: If features is no positive integer.
    """

    W: Array
    dW: Array
    b: Array
    db: Array

    def __init__(
        self,
        features: int,
        *,
        bias: bool = True,
        init: Initializer | None = None,
        bias_init: Initializer | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.features = positive(features, f"{self.label}: features")
        self.bias = require_flag(bias, f"{self.label}: bias")
        self.init = require_rule(init, f"{self.label}: init") or HeNormal()
        self.bias_init = require_rule(bias_init, f"{self.label}: bias_init") or Zeros()

    def declare(self, x: Shape) -> Declaration:
        *batch, fan_in = x
        shape = (fan_in, self.features)
        parameters = {"W": Parameter(shape, self.init, "weight", fan_in, self.features)}
        if self.bias:
            parameters["b"] = Parameter((self.features,), self.bias_init, "bias", fan_in, self.features)
        return Declaration(y=(*batch, self.features), parameters=parameters)

    def forward(self, ops: Ops, x: Array) -> Array:
        x, y = rows(x, self.lead), rows(self.y, self.lead)
        if self.bias:
            ops.affine(x, self.W, self.b, out=y)
        else:
            ops.matmul(x, self.W, out=y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dW = xᵀ dy    db = Σ_B dy    dx = dy Wᵀ"""
        dy = rows(dy, self.lead)
        if self.learns:
            ops.matmul(transpose(rows(self.x, self.lead)), dy, out=self.dW)
            if self.bias:
                ops.sum_batch(dy, out=self.db)
        if self.dx is not None:
            ops.matmul(dy, transpose(self.W), out=rows(self.dx, self.lead))
        return self.dx
