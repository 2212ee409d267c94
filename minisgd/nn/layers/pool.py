"""Pooling: one number for every window of an image."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.nn.layer import Buffer, Declaration, Layer
from minisgd.nn.layers.conv import offsets, pair, require_images, strided, window_counts
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

    @property
    def apart(self) -> bool:
        """True if no two windows overlap."""
        return self.stride[0] >= self.kernel[0] and self.stride[1] >= self.kernel[1]

    def covers(self, x: Array) -> bool:
        """Tell whether windows that do not overlap leave out no pixel of x (…, B, H, W, C)."""
        size = tuple(n * s for n, s in zip(self.y.shape[-3:-1], self.stride, strict=True))
        return self.stride == self.kernel and x.shape[-3:-1] == size

    def corners(self, x: Array) -> list[Array]:
        """Return K·K views of x like y, one for each position inside the window."""
        return [x[strided(i, j, self.stride, self.y.shape[-3:-1])] for i, j in offsets(self.kernel)]

    def settings(self) -> str:
        return f"{self.kernel}" + self.options(stride=self.kernel)


class MaxPool2d(Pool2d):
    """Maximum over each window; the gradient goes to the first pixel that attains it."""

    hit: Array
    open: Array
    share: Array

    def declare(self, x: Shape) -> Declaration:
        y = self.output(x)
        buffers = {
            "hit": Buffer(y, life="scratch", inference=False, dtype="bool"),
            "open": Buffer(y, life="scratch", inference=False, dtype="bool"),
            "share": Buffer(y, life="scratch", inference=False),
        }
        return Declaration(y=y, buffers=buffers, keeps_y=True)

    def forward(self, ops: Ops, x: Array) -> Array:
        first, *others = self.corners(x)
        ops.copy(first, out=self.y)
        for corner in others:
            ops.maximum(self.y, corner, out=self.y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dx = dy at the first maximum of each window, 0 elsewhere; windows that overlap add up"""
        if self.dx is None:
            return None
        if not (self.apart and self.covers(self.dx)):
            ops.fill(0.0, out=self.dx)
        ops.fill(1.0, out=self.open)
        for x, dx in zip(self.corners(self.x), self.corners(self.dx), strict=True):
            ops.equal(x, self.y, out=self.hit)
            ops.multiply(self.hit, self.open, out=self.hit)
            ops.greater(self.open, self.hit, out=self.open)
            if self.apart:
                ops.multiply(dy, self.hit, out=dx)
            else:
                ops.multiply(dy, self.hit, out=self.share)
                ops.add(dx, self.share, out=dx)
        return self.dx


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
