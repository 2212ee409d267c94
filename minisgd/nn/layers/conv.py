"""Convolution as matrix products of patches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minisgd.backend import Ops
from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn.initializers import HeNormal, Initializer, Zeros
from minisgd.nn.layer import Buffer, Declaration, Layer, Parameter, positive
from minisgd.nn.shapes import reshaped, rows, transpose
from minisgd.typing import Array, Shape

PATCH_ELEMENTS = 1 << 16
"""Patches of so many elements are gathered at a time, so that they are still in cache when multiplied."""


class Conv2d(Layer):
    """Convolution (cross-correlation): y[b,i,j,o] = Σ_{k,l,c} x[b, iS+k−P, jS+l−P, c] W[k,l,c,o] + b[o].

    x (…, B, H, W, C)   W (…, K, K, C, O)   b (…, 1, O)   y (…, B, OH, OW, O), OH = (H + 2P − K) / S + 1.

    A few images at a time are unrolled into patches (n·OH·OW, K·K·C) and multiplied with W; backward
    unrolls them again rather than keep K² copies of x. Defaults: W He normal, b zero.
    """

    W: Array
    dW: Array
    b: Array
    db: Array
    padded: Array
    dpadded: Array
    patches: Array
    part: Array

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
        self.padding = self._padding(padding)
        self.bias = bias
        self.init = init or HeNormal()
        self.bias_init = bias_init or Zeros()

    def _padding(self, padding: int | tuple[int, int] | str) -> tuple[int, int]:
        if padding == "same":
            if self.stride != (1, 1) or any(k % 2 == 0 for k in self.kernel):
                raise ArgumentError(
                    f"{self.label}: padding",
                    expected="a number when the stride is not 1 or the kernel is even",
                    got="'same'",
                    fix="give the padding as a number",
                )
            return (self.kernel[0] // 2, self.kernel[1] // 2)
        if isinstance(padding, str):
            raise ArgumentError(
                f"{self.label}: padding", expected="a number or 'same'", got=padding, fix="use padding='same'"
            )
        return pair(padding, f"{self.label}: padding", 0)

    def declare(self, x: Shape) -> Declaration:
        require_images(self, x)
        batch, h, w, c = x
        (kh, kw), (ph, pw) = self.kernel, self.padding
        oh, ow = window_counts(self, (h + 2 * ph, w + 2 * pw), self.kernel, self.stride)
        shape, o = (kh, kw, c, self.channels), self.channels
        parameters = {"W": Parameter(shape, self.init, "weight", kh * kw * c, kh * kw * o)}
        if self.bias:
            parameters["b"] = Parameter((o,), self.bias_init, "bias", kh * kw * c, kh * kw * o)
        n = min(batch, max(1, PATCH_ELEMENTS // (oh * ow * kh * kw * c)))
        buffers = {
            "padded": Buffer((n, h + 2 * ph, w + 2 * pw, c), life="own"),
            "patches": Buffer((n, oh, ow, kh, kw, c), life="scratch"),
            "dpadded": Buffer((n, h + 2 * ph, w + 2 * pw, c), life="scratch", inference=False),
            "part": Buffer(shape, life="scratch", inference=False),
        }
        if self.padding == (0, 0):
            del buffers["padded"]
        return Declaration((batch, oh, ow, o), parameters=parameters, buffers=buffers)

    def forward(self, ops: Ops, x: Array) -> Array:
        W = reshaped(self.W, (*self.lead, -1, self.channels))  # (…, K·K·C, O)
        for images in self._chunks():
            patches = self._unroll(ops, x[images])
            ops.matmul(patches, W, out=rows(self.y[images], self.lead))
        if self.bias:
            y = rows(self.y, self.lead)
            ops.add(y, self.b, out=y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dW = Σ patchesᵀ dy    db = Σ_{B,H,W} dy    dx = the patches of dy Wᵀ, added up where they overlap"""
        dW = reshaped(self.dW, (*self.lead, -1, self.channels))
        part = reshaped(self.part, dW.shape)
        for position, images in enumerate(self._chunks()):
            patches = self._unroll(ops, self.x[images])
            dy_rows = rows(dy[images], self.lead)
            ops.matmul(transpose(patches), dy_rows, out=part if position else dW)
            if position:
                ops.add(dW, part, out=dW)
            if self.dx is not None:
                self._input_gradient(ops, dy_rows, self.dx[images])
        if self.bias:
            ops.sum_batch(rows(dy, self.lead), out=self.db)
        return self.dx

    def _input_gradient(self, ops: Ops, dy_rows: Array, dx: Array) -> None:
        n = dx.shape[len(self.lead)]
        patches, dpadded = self.patches[self._first(n)], self.dpadded[self._first(n)]
        W = reshaped(self.W, (*self.lead, -1, self.channels))
        ops.matmul(dy_rows, transpose(W), out=reshaped(patches, (*dy_rows.shape[:-1], W.shape[-2])))
        ops.fill(0.0, out=dpadded)
        for i, j in offsets(self.kernel):
            window = dpadded[strided(i, j, self.stride, self.y.shape[-3:-1])]
            ops.add(window, patches[..., i, j, :], out=window)
        ops.copy(self._interior(dpadded), out=dx)

    def _unroll(self, ops: Ops, x: Array) -> Array:
        """Copy the patches of some images.  x (…, n, H, W, C)   result (…, n·OH·OW, K·K·C)"""
        n = x.shape[-4]
        if self.padding != (0, 0):
            padded = self.padded[self._first(n)]  # its border is zero and is never written
            ops.copy(x, out=self._interior(padded))
            x = padded
        patches = self.patches[self._first(n)]
        ops.copy(ops.windows(x, self.kernel, self.stride), out=patches)
        return reshaped(patches, (*self.lead, -1, self.kernel[0] * self.kernel[1] * x.shape[-1]))

    def _chunks(self) -> Iterator[tuple[slice, ...]]:
        axis = len(self.lead)
        batch, n = self.y.shape[axis], self.patches.shape[axis]
        for start in range(0, batch, n):
            yield (*[slice(None)] * axis, slice(start, min(start + n, batch)))

    def _first(self, n: int) -> tuple[slice, ...]:
        return (*[slice(None)] * len(self.lead), slice(0, n))

    def _interior(self, padded: Array) -> Array:
        (ph, pw), (h, w) = self.padding, padded.shape[-3:-1]
        return padded[..., ph : h - ph, pw : w - pw, :]

    def settings(self) -> str:
        kernel = self.kernel[0] if self.kernel[0] == self.kernel[1] else self.kernel
        return f"{self.channels}, {kernel}" + self.options(stride=(1, 1), padding=(0, 0), bias=True)


def pair(value: object, argument: str, least: int) -> tuple[int, int]:
    """Return (value, value) for a number and the pair itself for a pair, or refuse the argument."""
    both = value if isinstance(value, tuple) else (value, value)
    if len(both) != 2 or any(isinstance(v, bool) or not isinstance(v, int) or v < least for v in both):
        raise ArgumentError(
            argument, expected=f"an integer of at least {least}, or a pair of them", got=value, fix="give one number"
        )
    return (both[0], both[1])


def require_images(layer: Layer, x: Shape) -> None:
    """Refuse an input that is not a batch of images."""
    layer.require_rank(x, 4, "(B, H, W, C)", "give images with channels last, for example x.reshape(-1, 28, 28, 1)")


def window_counts(layer: Layer, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]) -> Shape:
    """Return (OH, OW), or refuse a kernel larger than the image."""
    if kernel[0] > size[0] or kernel[1] > size[1]:
        raise ShapeError(
            f"{layer.label}: kernel",
            expected=f"at most the (padded) image, {size[0]}×{size[1]}",
            got=f"{kernel[0]}×{kernel[1]}",
            fix="use a smaller kernel, more padding or less pooling before it",
        )
    return ((size[0] - kernel[0]) // stride[0] + 1, (size[1] - kernel[1]) // stride[1] + 1)


def offsets(kernel: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the positions inside a window, row by row."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            yield i, j


def strided(i: int, j: int, stride: tuple[int, int], counts: Shape) -> tuple[Any, ...]:
    """Index the pixels that lie at (i, j) of every window of an image (…, H, W, C)."""
    rows_ = slice(i, i + stride[0] * (counts[0] - 1) + 1, stride[0])
    columns = slice(j, j + stride[1] * (counts[1] - 1) + 1, stride[1])
    return (..., rows_, columns, slice(None))
