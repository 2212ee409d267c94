"""Convolution: one launch forward, one for each gradient, no patches in memory."""

from __future__ import annotations

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.kernels.conv import Conv, Geometry
from minisgd.nn.cuda.replicas import stacked
from minisgd.nn.layers.conv import Conv2d
from minisgd.typing import Array


@tuned("cuda", Conv2d, "forward")
def forward(self: Conv2d, ops: CupyVocabulary, x: Array) -> Array:
    """y = x ⋆ W + b"""
    arrays = stacked(self.lead, x, self.W, self.b if self.bias else None, self.y)
    ops.launch("conv", lambda: _kernels(self, ops).forward(*arrays), (x, self.W), self.y)
    return self.y


@tuned("cuda", Conv2d, "backward")
def backward(self: Conv2d, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dW = Σ patchesᵀ dy    db = Σ_{B,H,W} dy    dx: every pixel gathers from the windows that cover it"""
    kernels = _kernels(self, ops)
    x, slope, dW, db = stacked(self.lead, self.x, dy, self.dW, self.db if self.bias else None)
    work = ops.kernels.scratch(dy.dtype, kernels.workspace(*x.shape[:2]))
    ops.launch("conv_dW", lambda: kernels.weight_gradient(x, slope, dW, db, workspace=work), (self.x, dy), self.dW)
    if self.dx is not None:
        arrays = stacked(self.lead, dy, self.W, self.dx)
        ops.launch("conv_dx", lambda: kernels.input_gradient(*arrays), (dy, self.W), self.dx)
    return self.dx


def _kernels(layer: Conv2d, ops: CupyVocabulary) -> Conv:
    geometry = Geometry(layer.x.shape[-3:], layer.channels, layer.kernel, layer.stride, layer.padding)
    return Conv(ops.kernels.library(layer.y.dtype), geometry, ops.kernels.multiprocessors)
