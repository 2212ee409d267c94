"""The dense layer: the bias gradient comes with the weight gradient, and an activation with the product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.views import stacks
from minisgd.backend.dispatch import is_as_written, tuned
from minisgd.nn.cuda.activations import NAMES
from minisgd.nn.layers.activations import Activation, LeakyReLU
from minisgd.nn.layers.gates import GELU
from minisgd.nn.layers.linear import Linear
from minisgd.nn.network import Network
from minisgd.nn.sequential import Residual, Sequential
from minisgd.nn.shapes import rows, transpose
from minisgd.typing import Array

FUSED = NAMES.keys() - {GELU}
"""Activations that a product takes in: those whose derivative can be had from their output."""


@tuned("cuda", Linear, "backward")
def backward(self: Linear, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dW = xᵀ dy    db = Σ_B dy    dx = dy Wᵀ"""
    dy = rows(dy, self.lead)
    if self.learns and self.dx is not None and _both_gradients(self, ops, dy, rows(self.dx, self.lead), "none", 0.0):
        return self.dx
    if self.learns:
        _weight_gradient(self, ops, dy)
    if self.dx is not None:
        ops.matmul(dy, transpose(self.W), out=rows(self.dx, self.lead))
    return self.dx


def _both_gradients(layer: Linear, ops: CupyVocabulary, dy: Array, dx: Array, activation: str, slope: float) -> bool:
    """Launch both gradients at once, dx through the activation below; False where they are faster one by one.

    dy (…, B, O)   dx (…, B, I)
    """
    x = rows(layer.x, layer.lead)
    if any(ops.reason_for_cublas(*of) for of in ((transpose(x), dy, layer.dW), (dy, transpose(layer.W), dx))):
        return False
    affine, db = ops.affine_kernels(dx.dtype), layer.db if layer.bias else None
    (B, I), O = x.shape[-2:], dy.shape[-1]  # noqa: E741
    parts = list(stacks(ops.xp, layer.lead, x, dy, layer.W, layer.dW, db, dx))
    R = parts[0][0].shape[0]
    cuts = affine.cuts(R, B, I, O)
    work = None if cuts is None else ops.kernels.workspace(dx.dtype, affine.workspace_of_both(cuts, R, B, I, O))
    if cuts is None or work is None:
        return False

    def emit() -> None:
        for x_, slopes, W, dW, db_, out in parts:
            affine.gradients(x_, slopes, W, dW, db_, out, cuts, activation=activation, slope=slope, workspace=work)

    ops.launch("matmul", emit, (dy, transpose(layer.W), x), dx)
    return True


def _weight_gradient(layer: Linear, ops: CupyVocabulary, dy: Array) -> None:
    """dy (…, B, O), the positions of a sequence in its batch"""
    x = rows(layer.x, layer.lead)
    if not layer.bias or ops.reason_for_cublas(transpose(x), dy, layer.dW):
        ops.matmul(transpose(x), dy, out=layer.dW)
        if layer.bias:
            ops.sum_batch(dy, out=layer.db)
        return
    affine = ops.affine_kernels(dy.dtype)

    def emit() -> None:
        for x_, slope, dW, db in stacks(ops.xp, layer.lead, x, dy, layer.dW, layer.db):
            (R, B, I), O = x_.shape, slope.shape[-1]  # noqa: E741
            work = ops.kernels.workspace(dy.dtype, affine.workspace_of(R, I, O, B, sums=O))
            affine.weight_gradient(x_, slope, dW, db, workspace=work)

    ops.launch("matmul", emit, (transpose(x), dy), layer.dW)


class LinearActivation:
    """Fused linear + activation: what the product puts out goes through the activation on its way to memory.

    forward: the activation follows, y = act(x W + b)   backward: it came before, x = act(…), and dx = (dy Wᵀ) act′(x)
    """

    def __init__(self, linear: Linear, activation: Activation) -> None:
        self.linear, self.activation, self.label = linear, activation, linear.label
        self.name = NAMES[type(activation)]
        self.slope = activation.negative_slope if isinstance(activation, LeakyReLU) else 0.0

    def forward(self, ops: CupyVocabulary, x: Array) -> Array:
        """y = act(x W + b)"""
        linear, y = self.linear, rows(self.activation.y, self.linear.lead)
        if ops.reason_for_cublas(rows(x, linear.lead), linear.W, y):
            result: Array = ops.method(self.activation, "forward")(ops, linear.forward(ops, x))
            return result
        affine, x = ops.affine_kernels(y.dtype), rows(x, linear.lead)

        def emit() -> None:
            for x_, W, b, y_ in stacks(ops.xp, linear.lead, x, linear.W, linear.b if linear.bias else None, y):
                (R, B, I), O = x_.shape, W.shape[-1]  # noqa: E741
                work = ops.kernels.workspace(y.dtype, affine.workspace_of(R, B, O, I))
                affine.forward(x_, W, b, y_, activation=self.name, slope=self.slope, workspace=work)

        ops.launch("affine", emit, (x, linear.W), y)
        return self.activation.y

    infer = forward

    def backward(self, ops: CupyVocabulary, dy: Array) -> Array | None:
        """dW = xᵀ dy    db = Σ_B dy    dx = (dy Wᵀ) act′(x)"""
        linear, dx = self.linear, self.activation.dx
        if dx is None or ops.reason_for_cublas(rows(dy, linear.lead), transpose(linear.W), rows(dx, linear.lead)):
            below = ops.method(linear, "backward")(ops, dy)
            result: Array | None = None if below is None else ops.method(self.activation, "backward")(ops, below)
            return result
        dy, x_rows, dx_rows = (rows(a, linear.lead) for a in (dy, linear.x, dx))
        if linear.learns:
            if _both_gradients(linear, ops, dy, dx_rows, self.name, self.slope):
                return dx
            _weight_gradient(linear, ops, dy)
        affine = ops.affine_kernels(dx.dtype)

        def emit() -> None:
            for slope, W, x, out in stacks(ops.xp, linear.lead, dy, linear.W, x_rows, dx_rows):
                (R, B, O), I = slope.shape, W.shape[-2]  # noqa: E741
                work = ops.kernels.workspace(dx.dtype, affine.workspace_of(R, B, I, O))
                affine.input_gradient(slope, W, out, x=x, activation=self.name, slope=self.slope, workspace=work)

        ops.launch("matmul", emit, (dy, transpose(linear.W)), dx_rows)
        return dx


@tuned("cuda", Sequential, "parts")
@tuned("cuda", Network, "parts")
@tuned("cuda", Residual, "parts")
def parts(self: Sequential, method: str) -> Sequence[Any]:
    """Return the layers in the order of a method, a dense layer and the activation after it as one."""
    parts: list[Any] = []
    for layer in self.parts(method):
        if parts and _fuses(parts[-1], layer):
            parts[-1] = LinearActivation(parts[-1], layer)
        else:
            parts.append(layer)
    return parts


def _fuses(linear: Any, activation: Any) -> bool:
    """Tell whether both are as they were written: see `dispatch.method`."""
    return type(linear) is Linear and type(activation) in FUSED and is_as_written(linear) and is_as_written(activation)
