"""Layer normalisation."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.checks import within
from minisgd.nn.declaration import Buffer, Declaration, Parameter
from minisgd.nn.initializers import Ones, Zeros
from minisgd.nn.layer import Layer
from minisgd.nn.layers.normalise import inverse_std, mean
from minisgd.nn.shapes import rows
from minisgd.typing import Array, Shape


class LayerNorm(Layer):
    """Layer normalisation: x̂ = (x − μ) / √(σ² + ε), y = γ x̂ + β  (Ba, Kiros and Hinton 2016, equation 4).

    x (…, B, F) or (…, B, H, W, C); μ and σ² over the last axis of each example (each pixel of an image),
    so that no example depends on another.

    Args:
        eps: ε, positive.
        name: Of the layer.

    Raises:
        ArgumentError: If a value is outside its interval.
    """

    gamma: Array
    dgamma: Array
    beta: Array
    dbeta: Array
    xhat: Array
    work: Array
    mean: Array
    inv: Array

    def __init__(self, *, eps: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name)
        self.eps = within("(0, inf)", eps, f"{self.label}: eps", "1e-5 is customary")

    def declare(self, x: Shape) -> Declaration:
        f = x[-1]
        return Declaration(
            y=x,
            parameters={"gamma": Parameter((f,), Ones(), "norm"), "beta": Parameter((f,), Zeros(), "norm")},
            buffers={
                "xhat": Buffer(x, over="x"),
                "work": Buffer(x, life="scratch"),
                "mean": Buffer((*x[:-1], 1)),
                "inv": Buffer((*x[:-1], 1)),
            },
            dx_over_dy=True,
        )

    def forward(self, ops: Ops, x: Array) -> Array:
        mean(ops, x, out=self.mean)
        ops.subtract(x, self.mean, out=self.xhat)
        ops.square(self.xhat, out=self.work)
        mean(ops, self.work, out=self.inv)
        inverse_std(ops, self.inv, self.eps, out=self.inv)
        ops.multiply(self.xhat, self.inv, out=self.xhat)
        y = rows(self.y, self.lead)
        ops.multiply(rows(self.xhat, self.lead), self.gamma, out=y)
        ops.add(y, self.beta, out=y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dγ = Σ dy x̂    dβ = Σ dy    with g = γ dy:  dx = (g − mean(g) − x̂ mean(g x̂)) / √(σ²+ε)"""
        if self.learns:
            ops.multiply(dy, self.xhat, out=self.work)
            ops.sum_batch(rows(self.work, self.lead), out=self.dgamma)
            ops.sum_batch(rows(dy, self.lead), out=self.dbeta)
        if self.dx is None:
            return None
        g = self.dx
        ops.multiply(rows(dy, self.lead), self.gamma, out=rows(g, self.lead))
        ops.multiply(g, self.xhat, out=self.work)
        mean(ops, self.work, out=self.mean)
        ops.multiply(self.xhat, self.mean, out=self.work)
        mean(ops, g, out=self.mean)
        ops.subtract(g, self.mean, out=g)
        ops.subtract(g, self.work, out=g)
        ops.multiply(g, self.inv, out=g)
        return self.dx
