"""What layers compute in evaluation, as layers that can be differentiated."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.nn.declaration import Buffer, Declaration, Parameter, Statistic
from minisgd.nn.initializers import Ones, Zeros
from minisgd.nn.layer import Layer
from minisgd.nn.layers.normalise import inverse_std, scale_and_shift
from minisgd.nn.shapes import rows
from minisgd.typing import Array, Shape


class FrozenBatchNorm(Layer):
    """Batch normalisation in evaluation: x̂ = (x − r_mean) / √(r_var + ε), y = γ x̂ + β, statistics constant.

    x, y (…, B, C) or (…, B, H, W, C)   γ, β (…, 1, C)   r_mean, r_var (…, 1, C), read and never written

    Parameters and statistics are those of BatchNorm, so that one vector serves both. In PyTorch's rule, which has a
    constant momentum, the 0 and 1 that they begin with have weight 1, as all that follows; else they have none.
    """

    gamma: Array
    dgamma: Array
    beta: Array
    dbeta: Array
    running_mean: Array
    running_var: Array
    xhat: Array
    work: Array
    inv: Array
    scale: Array

    def __init__(self, *, eps: float, affine: bool, momentum: float | None = None, name: str | None = None) -> None:
        super().__init__(name)
        self.eps, self.affine, self.momentum = eps, affine, momentum

    def settings(self) -> str:
        return ""

    def declare(self, x: Shape) -> Declaration:
        c = x[-1]
        parameters, buffers = {}, {"inv": Buffer((1, c)), "scale": Buffer((1, c), life="scratch")}
        if self.affine:
            parameters = {"gamma": Parameter((c,), Ones(), "norm"), "beta": Parameter((c,), Zeros(), "norm")}
            buffers |= {"xhat": Buffer(x, over="x"), "work": Buffer(x, life="scratch")}
        weight = Zeros() if self.momentum is None else Ones()
        return Declaration(
            y=x,
            parameters=parameters,
            statistics={
                "running_mean": Statistic((c,)),
                "running_var": Statistic((c,), Ones()),
                "running_weight": Statistic((c,), weight),
            },
            buffers=buffers,
            y_over_x=not self.affine,
            dx_over_dy=True,
        )

    def forward(self, ops: Ops, x: Array) -> Array:
        y = rows(self.y, self.lead)
        xhat = rows(self.xhat, self.lead) if self.affine else y
        inverse_std(ops, self.running_var, self.eps, out=self.inv)
        ops.subtract(rows(x, self.lead), self.running_mean, out=xhat)
        ops.multiply(xhat, self.inv, out=xhat)
        scale_and_shift(self, ops, xhat, y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dγ = Σ dy x̂    dβ = Σ dy    dx = dy γ / √(r_var + ε)"""
        scale = self.inv
        if self.affine and self.learns:
            ops.multiply(dy, self.xhat, out=self.work)
            ops.sum_batch(rows(self.work, self.lead), out=self.dgamma)
            ops.sum_batch(rows(dy, self.lead), out=self.dbeta)
        if self.affine:
            scale = self.scale
            ops.multiply(self.inv, self.gamma, out=scale)
        if self.dx is not None:
            ops.multiply(rows(dy, self.lead), scale, out=rows(self.dx, self.lead))
        return self.dx


class Identity(Layer):
    """y = x, the same memory: what dropout is in evaluation."""

    def declare(self, x: Shape) -> Declaration:
        return Declaration(y=x, reshapes=True)

    def forward(self, ops: Ops, x: Array) -> Array:
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        return None if self.dx is None else dy
