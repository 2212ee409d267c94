"""Softmax as a layer: for mixtures and gates. As a loss, ms.SoftmaxCrossEntropy on logits is the accurate one."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.nn.declaration import Buffer
from minisgd.nn.layers.activations import Activation
from minisgd.typing import Array, Shape


class Softmax(Activation):
    """Softmax over the last axis: y_c = e^(x_c) / Σ_k e^(x_k), dx_c = y_c (dy_c − Σ_k dy_k y_k).

    x (…, B, C) or with more axes before the last. Computed on x − max x, so that nothing overflows.
    """

    top: Array
    work: Array

    def _scratch(self, x: Shape) -> dict[str, Buffer]:
        return {"top": Buffer((*x[:-1], 1), life="scratch"), "work": Buffer(x, life="scratch", inference=False)}

    def forward(self, ops: Ops, x: Array) -> Array:
        softmax(ops, x, self.top, out=self.y)
        return self.y

    def _differentiate(self, ops: Ops, dy: Array, dx: Array) -> None:
        softmax_gradient(ops, self.y, dy, self.top, self.work, dx=dx)


def softmax(ops: Ops, x: Array, top: Array, *, out: Array, least: float | None = None) -> None:
    """out = softmax x along the last axis; top (…, 1) is scratch, out may be x

    least: a row of nothing but scores far below it becomes 0: every other has Σ ≥ e⁰ = 1
    """
    ops.max(x, -1, out=top, keepdims=True)
    if least is not None:
        ops.maximum(top, least, out=top)
    ops.subtract(x, top, out=out)
    ops.exp(out, out=out)
    ops.sum(out, -1, out=top, keepdims=True)
    if least is not None:
        ops.maximum(top, 1.0, out=top)
    ops.divide(out, top, out=out)


def softmax_gradient(ops: Ops, y: Array, dy: Array, dot: Array, work: Array, *, dx: Array) -> None:
    """dx = y (dy − Σ dy y) along the last axis; dot (…, 1) and work like y are scratch, dx may be dy"""
    ops.multiply(dy, y, out=work)
    ops.sum(work, -1, out=dot, keepdims=True)
    ops.subtract(dy, dot, out=dx)
    ops.multiply(dx, y, out=dx)
