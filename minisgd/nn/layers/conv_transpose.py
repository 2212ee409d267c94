"""Transposed convolution: from small images to large ones."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.errors import ShapeError
from minisgd.nn.declaration import Buffer, Declaration, Parameter
from minisgd.nn.layer import shape_text
from minisgd.nn.layers.conv import Conv2d
from minisgd.nn.layers.windows import require_images
from minisgd.nn.shapes import reshaped, rows, transpose
from minisgd.typing import Array, Shape


class ConvTranspose2d(Conv2d):
    """Transposed convolution, forward what Conv2d is backward: y[b, iS+k−P, jS+l−P, o] += x[b,i,j,c] W[c,k,l,o].

    x (…, B, H, W, C)   W (…, C, K, K, O)   b (…, 1, O)   y (…, B, OH, OW, O), OH = (H − 1) S + K − 2P.

    Arguments are those of Conv2d; S = K makes images S times as large (Dumoulin and Visin 2016, chapter 4).
    """

    canvas: Array

    def declare(self, x: Shape) -> Declaration:
        """Ask for a patch of every pixel, and for images with their padding."""
        require_images(self, x)
        batch, h, w, c = x
        (kh, kw), (sh, sw), (ph, pw), o = self.kernel, self.stride, self.padding, self.channels
        canvas = (batch, (h - 1) * sh + kh, (w - 1) * sw + kw, o)
        y = (batch, canvas[1] - 2 * ph, canvas[2] - 2 * pw, o)
        if min(y) < 1:
            expected = f"less than half of {canvas[1]}×{canvas[2]}, the image without it"
            fix = f"use a smaller padding or a larger kernel for {shape_text(x)}"
            raise ShapeError(f"{self.label}: padding", expected=expected, got=self.padding, fix=fix)
        taps = kh * kw // (min(kh, sh) * min(kw, sw))  # how many products a pixel of y is the sum of
        parameters = {"W": Parameter((c, kh, kw, o), self.init, "weight", c * taps, kh * kw * o)}
        if self.bias:
            parameters["b"] = Parameter((o,), self.bias_init, "bias", c * taps, kh * kw * o)
        buffers = {"patches": Buffer((batch, h, w, kh, kw, o), life="scratch")}
        if self.padding != (0, 0):
            buffers["canvas"] = Buffer(canvas, life="scratch")
        return Declaration(y, parameters=parameters, buffers=buffers)

    def forward(self, ops: Ops, x: Array) -> Array:
        """U = x W, and y the sum of U over the patches that hold a pixel, + b"""
        whole = self.y if self.padding == (0, 0) else self.canvas
        ops.matmul(rows(x, self.lead), self._matrix(self.W), out=self.as_rows(self.patches))
        self.fold(ops, self.patches, whole)
        if whole is not self.y:
            ops.copy(self.interior(whole), out=self.y)
        if self.bias:
            ops.add(rows(self.y, self.lead), self.b, out=rows(self.y, self.lead))
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dU the patches of dy    dW = xᵀ dU    db = Σ_{B,H,W} dy    dx = dU Wᵀ"""
        if self.learns and self.bias:
            ops.sum_batch(rows(dy, self.lead), out=self.db)
        if self.padding != (0, 0):
            ops.fill(0.0, out=self.canvas)
            ops.copy(dy, out=self.interior(self.canvas))
            dy = self.canvas
        dU = self.unfold(ops, dy)
        if self.learns:
            ops.matmul(transpose(rows(self.x, self.lead)), dU, out=self._matrix(self.dW))
        if self.dx is not None:
            ops.matmul(dU, transpose(self._matrix(self.W)), out=rows(self.dx, self.lead))
        return self.dx

    def _matrix(self, W: Array) -> Array:
        """Return W (…, C, K, K, O) as (…, C, K·K·O)."""
        return reshaped(W, (*self.lead, W.shape[-4], -1))
