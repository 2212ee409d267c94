"""Pooling: one number for every window of an image."""

from __future__ import annotations

from typing import Any

from minisgd.backend import Ops
from minisgd.nn.blocks import as_runs
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
    """Maximum over each window; the gradient goes to the first pixel that attains it, row by row.

    First over the columns of a window, then over its rows. An image is compared with itself moved by a pixel, as
    one long run of memory: of the windows that begin at every pixel, every S-th is taken afterwards. Where a pixel
    exceeded all before it is kept, a byte each, and leads the gradient back.
    """

    selects = True

    right: Array
    below: Array
    across: Array
    down: Array
    exceeds: Array
    of_row: Array
    of_rows: Array
    of_pixel: Array
    of_pixels: Array

    def declare(self, x: Shape) -> Declaration:
        (b, oh, ow, c), (kh, kw) = self.output(x), self.kernel
        n = self.images(x)
        buffers = {
            "right": Buffer((b, kw - 1, x[1], ow, c), inference=False, dtype="bool"),
            "below": Buffer((b, kh - 1, oh, ow, c), inference=False, dtype="bool"),
            "across": Buffer((n, *x[1:]), life="scratch"),
            "down": Buffer((n, oh, *x[2:]), life="scratch"),
            "exceeds": Buffer((n, *x[1:]), life="scratch", inference=False, dtype="bool"),
        }
        for name in ("of_row", "of_rows", "of_pixel", "of_pixels"):
            buffers[name] = Buffer((n, oh, ow, c), life="scratch", inference=False)
        return Declaration(y=(b, oh, ow, c), buffers=buffers)

    def forward(self, ops: Ops, x: Array) -> Array:
        for some, n in self.blocks(ops, x):
            columns = self._across(ops, x[some], self.across[n], self.exceeds[n], self.right[some])
            self._down(ops, columns, self.down[n], self.exceeds[n], self.below[some], out=self.y[some])
        return self.y

    def infer(self, ops: Ops, x: Array) -> Array:
        for some, n in self.blocks(ops, x):
            columns = self._across(ops, x[some], self.across[n])
            self._down(ops, columns, self.down[n], out=self.y[some])
        return self.y

    def frozen(self) -> MaxPool2d:
        return self

    def _across(
        self, ops: Ops, x: Array, best: Array, exceeds: Array | None = None, right: Array | None = None
    ) -> Array:
        """Return the maximum over the columns of windows that begin at every pixel.  x, result (…, n, H, W, C)"""
        found, c = x, x.shape[-1]
        for k in range(1, self.kernel[1]):
            begin = (..., slice(0, -k * c))
            pixels, so_far = as_runs(x)[..., k * c :], as_runs(found)[begin]
            if exceeds is not None and right is not None:
                ops.greater(pixels, so_far, out=as_runs(exceeds)[begin])
                ops.copy(self._taken(exceeds), out=right[..., k - 1, :, :, :])
            ops.maximum(pixels, so_far, out=as_runs(best)[begin])
            found = best
        return found

    def _down(
        self,
        ops: Ops,
        columns: Array,
        best: Array,
        exceeds: Array | None = None,
        below: Array | None = None,
        *,
        out: Array,
    ) -> None:
        """out = the maximum over the rows of each window.  columns (…, n, H, W, C)   out (…, n, OH, OW, C)"""
        oh = out.shape[-3]
        found, *others = (
            columns[strided(k, 0, (self.stride[0], 1), (oh, columns.shape[-2]))] for k in range(self.kernel[0])
        )
        for k, pixels in enumerate(others):
            if exceeds is not None and below is not None:
                ops.greater(pixels, found, out=exceeds[..., :oh, :, :])
                ops.copy(self._taken(exceeds[..., :oh, :, :]), out=below[..., k, :, :, :])
            ops.maximum(pixels, found, out=best)
            found = best
        ops.copy(self._taken(found), out=out)

    def _taken(self, columns: Array) -> Array:
        """Return what stands where a window begins.  columns (…, W, C)   result (…, OW, C)"""
        taken: Array = columns[strided(0, 0, (1, self.stride[1]), (columns.shape[-3], self.y.shape[-2]))]
        return taken

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dx = dy at the first maximum of each window, 0 elsewhere; windows that overlap add up"""
        if self.dx is None:
            return None
        if not (self.apart and self.covers(self.dx)):
            ops.fill(0.0, out=self.dx)
        for some, n in self.blocks(ops, self.dx):
            self._lead_back(ops, dy[some], self.right[some], self.below[some], n, out=self.dx[some])
        return self.dx

    def _lead_back(self, ops: Ops, dy: Array, right: Array, below: Array, n: Any, *, out: Array) -> None:
        """From the last row of a window to its first, and in each from the last column: to the latest that exceeded"""
        (kh, kw), counts = self.kernel, self.y.shape[-3:-1]
        rows_left = dy
        for i in reversed(range(kh)):
            row = rows_left
            if i:
                row, rows_left = _split(ops, rows_left, below[..., i - 1, :, :, :], self.of_row[n], self.of_rows[n])
            for j in reversed(range(kw)):
                pixel = row
                if j:
                    exceeds = right[..., j - 1, :, :, :][strided(i, 0, (self.stride[0], 1), counts)]
                    pixel, row = _split(ops, row, exceeds, self.of_pixel[n], self.of_pixels[n])
                dx = out[strided(i, j, self.stride, counts)]
                if self.apart:
                    ops.copy(pixel, out=dx)
                else:
                    ops.add(dx, pixel, out=dx)


def _split(ops: Ops, d: Array, mask: Array, inside: Array, outside: Array) -> tuple[Array, Array]:
    """inside = d where the mask is set, outside = d where it is not"""
    ops.multiply(d, mask, out=inside)
    ops.subtract(d, inside, out=outside)
    return inside, outside


class AvgPool2d(Pool2d):
    """Mean over each window."""

    by_parts = True
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

    by_parts = True
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
