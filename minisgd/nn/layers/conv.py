"""Convolution as a matrix product of patches."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.checks import positive, require_flag
from minisgd.nn.declaration import Buffer, Declaration, Parameter
from minisgd.nn.initializers import HeNormal, Initializer, Zeros, require_rule
from minisgd.nn.layers.patches import Patches
from minisgd.nn.layers.windows import padding_of, pair, require_images, window_counts
from minisgd.nn.shapes import reshaped, rows, transpose
from minisgd.typing import Array, Shape


class Conv2d(Patches):
    """Convolution (cross-correlation): y[b,i,j,o] = Σ_{k,l,c} x[b, iS+k−P, jS+l−P, c] W[k,l,c,o] + b[o].

    x (…, B, H, W, C)   W (…, K, K, C, O)   b (…, 1, O)   y (…, B, OH, OW, O), OH = (H + 2P − K) / S + 1.

    Args:
        channels: O.
        kernel: K, or its rows and columns.
        stride: S, or that of rows and of columns.
        padding: P zeros at every edge, or those of rows and of columns; "same" keeps H and W.
        bias: Whether b is learned.
        init: Draws W; He normal by default.
        bias_init: Draws b; zero by default.
        name: Of the layer.

    Raises:
        ArgumentError: If a size is no positive integer, or padding "same" does not fit kernel and stride.
    """

    W: Array
    dW: Array
    b: Array
    db: Array
    padded: Array
    dpadded: Array

    def __init__(
        self,
        channels: int,
        kernel: int | tuple[int, int] = 3,
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        bias: bool = True,
        init: Initializer | None = None,
        bias_init: Initializer | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.channels = positive(channels, f"{self.label}: channels")
        self.kernel = pair(kernel, f"{self.label}: kernel", 1)
        self.stride = pair(stride, f"{self.label}: stride", 1)
        self.padding = padding_of(padding, self.kernel, self.stride, f"{self.label}: padding")
        self.bias = require_flag(bias, f"{self.label}: bias")
        self.init = require_rule(init, f"{self.label}: init") or HeNormal()
        self.bias_init = require_rule(bias_init, f"{self.label}: bias_init") or Zeros()

    def declare(self, x: Shape) -> Declaration:
        """Ask for the patches of all images, and for images with their padding."""
        require_images(self, x)
        batch, h, w, c = x
        (kh, kw), (ph, pw), o = self.kernel, self.padding, self.channels
        padded = (batch, h + 2 * ph, w + 2 * pw, c)
        oh, ow = window_counts(self, padded[1:3], self.kernel, self.stride)
        parameters = {"W": Parameter((kh, kw, c, o), self.init, "weight", kh * kw * c, kh * kw * o)}
        if self.bias:
            parameters["b"] = Parameter((o,), self.bias_init, "bias", kh * kw * c, kh * kw * o)
        buffers = {"patches": Buffer((batch, oh, ow, kh, kw, c), life="scratch")}
        if self.padding != (0, 0):
            buffers["padded"] = Buffer(padded, life="own")  # its border is zero and is never written
            buffers["dpadded"] = Buffer(padded, life="scratch", inference=False)
        return Declaration((batch, oh, ow, o), parameters=parameters, buffers=buffers)

    def forward(self, ops: Ops, x: Array) -> Array:
        """y = U W + b, U the patches of x, (…, B·OH·OW, K·K·C)"""
        y = rows(self.y, self.lead)
        ops.matmul(self._patches_of(ops, x), self._matrix(self.W), out=y)
        if self.bias:
            ops.add(y, self.b, out=y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dW = Uᵀ dy    db = Σ_{B,H,W} dy    dU = dy Wᵀ, and dx the sum of dU over the patches that hold a pixel"""
        dy_ = rows(dy, self.lead)  # (…, B·OH·OW, O)
        if self.learns:
            ops.matmul(transpose(self._patches_of(ops, self.x)), dy_, out=self._matrix(self.dW))
            if self.bias:
                ops.sum_batch(dy_, out=self.db)
        if self.dx is None:
            return None
        ops.matmul(dy_, transpose(self._matrix(self.W)), out=self.as_rows(self.patches))
        if self.padding == (0, 0):
            self.fold(ops, self.patches, self.dx)
        else:
            self.fold(ops, self.patches, self.dpadded)
            ops.copy(self.interior(self.dpadded), out=self.dx)
        return self.dx

    def _patches_of(self, ops: Ops, x: Array) -> Array:
        """Return U, the patches of x with its padding."""
        if self.padding == (0, 0):
            return self.unfold(ops, x)
        ops.copy(x, out=self.interior(self.padded))
        return self.unfold(ops, self.padded)

    def _matrix(self, W: Array) -> Array:
        """Return W (…, K, K, C, O) as (…, K·K·C, O)."""
        return reshaped(W, (*self.lead, -1, self.channels))

    def settings(self) -> str:
        kernel = self.kernel[0] if self.kernel[0] == self.kernel[1] else self.kernel
        return f"{self.channels}, {kernel}" + self.options(stride=(1, 1), padding=(0, 0), bias=True)
