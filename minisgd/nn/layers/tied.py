"""An autoencoder of one layer whose decoder is its encoder, transposed."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.checks import positive
from minisgd.nn.declaration import Buffer, Declaration, Parameter
from minisgd.nn.initializers import Initializer, XavierNormal, Zeros, require_rule
from minisgd.nn.layer import Layer
from minisgd.nn.layers.activations import sigmoid
from minisgd.nn.shapes import transpose
from minisgd.typing import Array, Shape


class TiedAutoencoder(Layer):
    """Encoder and decoder with the same weights: h = σ(x W + b), y = h Wᵀ + c  (Vincent et al. 2008, section 2.2).

    x, y (…, B, V)   W (…, V, H)   b (…, H)   c (…, V)   h (…, B, H)

    Args:
        code: H, the numbers of the code.
        init: Draws W; Xavier normal by default.
        name: Of the layer.

    Raises:
        ArgumentError: If the code is no positive integer.
    """

    W: Array
    dW: Array
    b: Array
    db: Array
    c: Array
    dc: Array
    h: Array
    dz: Array
    work: Array
    part: Array

    def __init__(self, code: int, *, init: Initializer | None = None, name: str | None = None) -> None:
        super().__init__(name)
        self.code = positive(code, f"{self.label}: code")
        self.init = require_rule(init, f"{self.label}: init") or XavierNormal()

    def declare(self, x: Shape) -> Declaration:
        self.require_rank(x, 2, "vectors (B, V)", "put ms.Flatten() before it")
        (B, V), H = x, self.code
        return Declaration(
            y=x,
            parameters={
                "W": Parameter((V, H), self.init, "weight", V, H),
                "b": Parameter((H,), Zeros(), "bias"),
                "c": Parameter((V,), Zeros(), "bias"),
            },
            buffers={
                "h": Buffer((B, H)),
                "dz": Buffer((B, H), life="scratch", inference=False),
                "work": Buffer((B, H), life="scratch", inference=False),
                "part": Buffer((V, H), life="scratch", inference=False),
            },
        )

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.affine(x, self.W, self.b, out=self.h)
        sigmoid(ops, self.h, out=self.h)
        ops.matmul(self.h, transpose(self.W), out=self.y)
        ops.add(self.y, self.c, out=self.y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dz = dy W h (1 − h)    dW = xᵀ dz + dyᵀ h    db = Σ_B dz    dc = Σ_B dy    dx = dz Wᵀ"""
        ops.matmul(dy, self.W, out=self.dz)
        ops.subtract(1.0, self.h, out=self.work)
        ops.multiply(self.work, self.h, out=self.work)
        ops.multiply(self.dz, self.work, out=self.dz)
        if self.learns:
            ops.matmul(transpose(self.x), self.dz, out=self.dW)
            ops.matmul(transpose(dy), self.h, out=self.part)
            ops.add(self.dW, self.part, out=self.dW)
            ops.sum_batch(self.dz, out=self.db)
            ops.sum_batch(dy, out=self.dc)
        if self.dx is not None:
            ops.matmul(self.dz, transpose(self.W), out=self.dx)
        return self.dx
