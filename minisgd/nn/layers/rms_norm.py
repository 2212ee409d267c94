"""Root mean square normalisation."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.checks import within
from minisgd.nn.declaration import Buffer, Declaration, Parameter
from minisgd.nn.initializers import Ones
from minisgd.nn.layer import Layer
from minisgd.nn.layers.normalise import inverse_std, mean
from minisgd.nn.shapes import rows
from minisgd.typing import Array, Shape


class RMSNorm(Layer):
    """Layer normalisation without centring: x̂ = x / √(mean x² + ε), y = γ x̂  (Zhang and Sennrich 2019, equation 4).

    x (…, B, F), (…, B, T, F) or with more axes; the mean over the last axis.

    Args:
        eps: ε, positive.
        name: Of the layer.

    Raises:
        ArgumentError: If a value is outside its interval.
    """

    gamma: Array
    dgamma: Array
    xhat: Array
    work: Array
    inv: Array
    mean: Array

    def __init__(self, *, eps: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name)
        self.eps = within("(0, inf)", eps, f"{self.label}: eps", "1e-5 is customary")

    def declare(self, x: Shape) -> Declaration:
        return Declaration(
            y=x,
            parameters={"gamma": Parameter((x[-1],), Ones(), "norm")},
            buffers={
                "xhat": Buffer(x, over="x"),
                "work": Buffer(x, life="scratch"),
                "inv": Buffer((*x[:-1], 1)),
                "mean": Buffer((*x[:-1], 1), life="scratch", inference=False),
            },
            dx_over_dy=True,
        )

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.square(x, out=self.work)
        mean(ops, self.work, out=self.inv)
        inverse_std(ops, self.inv, self.eps, out=self.inv)
        ops.multiply(x, self.inv, out=self.xhat)
        ops.multiply(rows(self.xhat, self.lead), self.gamma, out=rows(self.y, self.lead))
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dγ = Σ dy x̂    with g = γ dy:  dx = (g − x̂ mean(g x̂)) / √(mean x² + ε)"""
        if self.learns:
            ops.multiply(dy, self.xhat, out=self.work)
            ops.sum_batch(rows(self.work, self.lead), out=self.dgamma)
        if self.dx is None:
            return None
        g = self.dx
        ops.multiply(rows(dy, self.lead), self.gamma, out=rows(g, self.lead))
        ops.multiply(g, self.xhat, out=self.work)
        mean(ops, self.work, out=self.mean)
        ops.multiply(self.xhat, self.mean, out=self.work)
        ops.subtract(g, self.work, out=g)
        ops.multiply(g, self.inv, out=g)
        return self.dx
