"""The dense layer: the bias gradient comes with the weight gradient, and activations with the products beside them."""

from __future__ import annotations

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.views import stacks
from minisgd.backend.dispatch import fused, joins
from minisgd.nn.cuda.activations import NAMES
from minisgd.nn.layers.activations import GELU, Activation, LeakyReLU
from minisgd.nn.layers.linear import Linear
from minisgd.nn.shapes import transpose
from minisgd.typing import Array


@fused(Linear, "backward")
def backward(self: Linear, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dW = xᵀ dy    db = Σ_B dy    dx = dy Wᵀ"""
    _weight_gradient(self, ops, dy)
    if self.dx is not None:
        ops.matmul(dy, transpose(self.W), out=self.dx)
    return self.dx


def _weight_gradient(layer: Linear, ops: CupyVocabulary, dy: Array) -> None:
    if not layer.bias or ops.reason_for_cublas(transpose(layer.x), dy, layer.dW):
        ops.matmul(transpose(layer.x), dy, out=layer.dW)
        if layer.bias:
            ops.sum_batch(dy, out=layer.db)
        return
    affine = ops.affine_kernels(dy.dtype)

    def emit() -> None:
        for x, slope, dW, db in stacks(ops.xp, layer.lead, layer.x, dy, layer.dW, layer.db):
            (R, B, I), O = x.shape, slope.shape[-1]  # noqa: E741
            work = ops.kernels.scratch(dy.dtype, affine.workspace_of(R, I, O, B, sums=O))
            affine.weight_gradient(x, slope, dW, db, workspace=work)

    ops.launch("matmul", emit, (transpose(layer.x), dy), layer.dW)


class DenseBeside:
    """A dense layer and the activation beside it: what is put out goes through the activation on its way to memory.

    forward: the activation is above, y = act(x W + b)   backward: it is below, x = act(…), and dx = (dy Wᵀ) act′(x)
    """

    by_parts = False

    def __init__(self, dense: Linear, activation: Activation) -> None:
        self.dense, self.activation, self.label = dense, activation, dense.label
        self.name = NAMES[type(activation)]
        self.slope = activation.negative_slope if isinstance(activation, LeakyReLU) else 0.0

    def forward(self, ops: CupyVocabulary, x: Array) -> Array:
        """y = act(x W + b)"""
        dense, y = self.dense, self.activation.y
        if ops.reason_for_cublas(x, dense.W, y):
            result: Array = ops.whole(self.activation, "forward")(ops, dense.forward(ops, x))
            return result
        affine = ops.affine_kernels(y.dtype)

        def emit() -> None:
            for x_, W, b, y_ in stacks(ops.xp, dense.lead, x, dense.W, dense.b if dense.bias else None, y):
                (R, B, I), O = x_.shape, W.shape[-1]  # noqa: E741
                work = ops.kernels.scratch(y.dtype, affine.workspace_of(R, B, O, I))
                affine.forward(x_, W, b, y_, activation=self.name, slope=self.slope, workspace=work)

        ops.launch("affine", emit, (x, dense.W), y)
        return y

    infer = forward

    def backward(self, ops: CupyVocabulary, dy: Array) -> Array | None:
        """dW = xᵀ dy    db = Σ_B dy    dx = (dy Wᵀ) act′(x)"""
        dense, dx = self.dense, self.activation.dx
        if dx is None or ops.reason_for_cublas(dy, transpose(dense.W), dx):
            below = ops.whole(dense, "backward")(ops, dy)
            result: Array | None = None if below is None else ops.whole(self.activation, "backward")(ops, below)
            return result
        _weight_gradient(dense, ops, dy)
        affine = ops.affine_kernels(dx.dtype)

        def emit() -> None:
            for slope, W, x, out in stacks(ops.xp, dense.lead, dy, dense.W, dense.x, dx):
                (R, B, O), I = slope.shape, W.shape[-2]  # noqa: E741
                work = ops.kernels.scratch(dx.dtype, affine.workspace_of(R, B, I, O))
                affine.input_gradient(slope, W, out, x=x, activation=self.name, slope=self.slope, workspace=work)

        ops.launch("matmul", emit, (dy, transpose(dense.W)), dx)
        return dx


for kind in NAMES.keys() - {GELU}:
    for method in ("forward", "infer", "backward"):
        joins(Linear, kind, method)(DenseBeside)
