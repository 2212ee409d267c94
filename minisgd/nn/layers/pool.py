"""Pooling: one number for every window of an image."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.nn.declaration import Buffer, Declaration
from minisgd.nn.layer import Layer
from minisgd.nn.layers.windows import offsets, pair, require_images, strided, window_counts
from minisgd.nn.shapes import reshaped
from minisgd.typing import Array, Shape


class Pool2d(Layer):
    """Windows of an image, taken apart by position inside the window.

    x (…, B, H, W, C)   y (…, B, OH, OW, C), OH = (H − K) / S + 1 rounded down: what does not fill a
    window is left out.
    """

    def __init__(
        self,
        kernel: int | tuple[int, int] = 2,
        *,
        stride: int | tuple[int, int] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.kernel = pair(kernel, f"{self.label}: kernel", 1)
        self.stride = self.kernel if stride is None else pair(stride, f"{self.label}: stride", 1)

    def output(self, x: Shape) -> Shape:
        """Return the shape of y, (B, OH, OW, C)."""
        require_images(self, x)
        return (x[0], *window_counts(self, (x[1], x[2]), self.kernel, self.stride), x[3])

    def corners(self, x: Array) -> list[Array]:
        """Return K·K views of x like y, one for each position inside the window."""
        return [x[strided(i, j, self.stride, self.y.shape[-3:-1])] for i, j in offsets(self.kernel)]

    def settings(self) -> str:
        return f"{self.kernel}" + self.options(stride=self.kernel)


class MaxPool2d(Pool2d):
    """Maximum over each window; the gradient goes to the first pixel that attains it, row by row.

    Pixel k of a window, x_k, is compared with the largest before it: m_k = [x_k > max_{j<k} x_j].
    """

    selects = True
    exceeds: Array
    left: Array
    share: Array

    def declare(self, x: Shape) -> Declaration:
        """Ask for m, a byte for every pixel of a window but the first."""
        y = self.output(x)
        pixels = self.kernel[0] * self.kernel[1]
        buffers = {name: Buffer(y, life="scratch", inference=False) for name in ("left", "share")}
        buffers["exceeds"] = Buffer((pixels - 1, *y), inference=False, dtype="bool")
        return Declaration(y=y, buffers=buffers)

    def forward(self, ops: Ops, x: Array) -> Array:
        """y = max_k x_k"""
        first, *others = self.corners(x)
        ops.copy(first, out=self.y)
        for k, pixels in enumerate(others):
            ops.greater(pixels, self.y, out=self._exceeds(k))
            ops.maximum(pixels, self.y, out=self.y)
        return self.y

    def infer(self, ops: Ops, x: Array) -> Array:
        first, *others = self.corners(x)
        ops.copy(first, out=self.y)
        for pixels in others:
            ops.maximum(pixels, self.y, out=self.y)
        return self.y

    def frozen(self) -> MaxPool2d:
        return self

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dx_k = dy m_k where no later m is set, and dx_0 what is left of dy; windows that overlap add up"""
        if self.dx is None:
            return None
        first, *others = self.corners(self.dx)
        left, share = self.left, self.share
        ops.copy(dy, out=left)
        ops.fill(0.0, out=self.dx)
        for k, dx in reversed(list(enumerate(others))):
            ops.multiply(left, self._exceeds(k), out=share)
            ops.subtract(left, share, out=left)
            ops.add(dx, share, out=dx)
        ops.add(first, left, out=first)
        return self.dx

    def _exceeds(self, k: int) -> Array:
        return self.exceeds[..., k, :, :, :, :]


class AvgPool2d(Pool2d):
    """Mean over each window."""

    share: Array

    def declare(self, x: Shape) -> Declaration:
        y = self.output(x)
        return Declaration(y=y, buffers={"share": Buffer(y, life="scratch", inference=False)})

    def forward(self, ops: Ops, x: Array) -> Array:
        first, *others = self.corners(x)
        ops.copy(first, out=self.y)
        for corner in others:
            ops.add(self.y, corner, out=self.y)
        ops.multiply(self.y, 1 / (self.kernel[0] * self.kernel[1]), out=self.y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dx = dy / K² in every pixel of the window; windows that overlap add up"""
        if self.dx is None:
            return None
        ops.multiply(dy, 1 / (self.kernel[0] * self.kernel[1]), out=self.share)
        ops.fill(0.0, out=self.dx)
        for dx in self.corners(self.dx):
            ops.add(dx, self.share, out=dx)
        return self.dx


class GlobalAvgPool2d(Layer):
    """Mean over the image.  x (…, B, H, W, C)   y (…, B, C)"""

    share: Array

    def declare(self, x: Shape) -> Declaration:
        require_images(self, x)
        y = (x[0], x[3])
        return Declaration(y=y, buffers={"share": Buffer(y, life="scratch", inference=False)})

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.sum(x, (-3, -2), out=self.y)
        ops.multiply(self.y, 1 / (x.shape[-3] * x.shape[-2]), out=self.y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dx = dy / (H W) in every pixel"""
        if self.dx is None:
            return None
        ops.multiply(dy, 1 / (self.x.shape[-3] * self.x.shape[-2]), out=self.share)
        ops.copy(reshaped(self.share, (*dy.shape[:-1], 1, 1, dy.shape[-1])), out=self.dx)
        return self.dx
