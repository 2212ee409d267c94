"""The dense layer: the bias gradient comes with the weight gradient."""

from __future__ import annotations

from minisgd.backend.cupy_views import stacks
from minisgd.backend.cupy_vocabulary import CupyVocabulary
from minisgd.backend.fused import fused
from minisgd.nn.layers.linear import Linear
from minisgd.nn.shapes import transpose
from minisgd.typing import Array


@fused(Linear, "backward")
def backward(self: Linear, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dW = xᵀ dy    db = Σ_B dy    dx = dy Wᵀ"""
    if not self.bias or ops.reason_for_cublas(transpose(self.x), dy, self.dW):
        return Linear.backward(self, ops, dy)
    affine = ops.affine_kernels(dy.dtype)

    def emit() -> None:
        for x, slope, dW, db in stacks(ops.xp, self.lead, self.x, dy, self.dW, self.db):
            (R, B, I), O = x.shape, slope.shape[-1]  # noqa: E741
            work = ops.kernels.scratch(dy.dtype, affine.workspace_of(R, I, O, B, sums=O))
            affine.weight_gradient(x, slope, dW, db, workspace=work)

    ops.launch("matmul", emit, (transpose(self.x), dy), self.dW)
    if self.dx is not None:
        ops.matmul(dy, transpose(self.W), out=self.dx)
    return self.dx
