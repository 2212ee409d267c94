"""Convolution as matrix products of patches."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from minisgd.backend import Ops
from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn.blocks import images_at_a_time
from minisgd.nn.initializers import HeNormal, Initializer, Zeros
from minisgd.nn.layer import Buffer, Declaration, Layer, Parameter, positive
from minisgd.nn.shapes import reshaped, rows, transpose
from minisgd.typing import Array, Shape

FEW_CHANNELS = 4
"""Up to so many channels, patches are laid out by position, so that copying them moves rows of the image."""


class Conv2d(Layer):
    """Convolution (cross-correlation): y[b,i,j,o] = Σ_{k,l,c} x[b, iS+k−P, jS+l−P, c] W[k,l,c,o] + b[o].

    x (…, B, H, W, C)   W (…, K, K, C, O)   b (…, 1, O)   y (…, B, OH, OW, O), OH = (H + 2P − K) / S + 1.

    A few images at a time are unrolled into patches (n, OH·OW, K·K·C) and multiplied with W, image by image where
    such products are small. Backward unrolls dy instead, where dx is itself a convolution, and x again elsewhere,
    rather than keep K² copies of x.
    Defaults: W He normal, b zero.
    """

    W: Array
    dW: Array
    b: Array
    db: Array
    padded: Array
    patches: Array
    products: Array
    part: Array
    part_b: Array
    dy_padded: Array
    dy_patches: Array
    flipped: Array
    dflipped: Array
    dpatches: Array
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
        n = min(batch, self._unrolled(x, oh * ow * kh * kw * c))
        buffers = {
            "padded": Buffer((n, h + 2 * ph, w + 2 * pw, c), life="own"),
            "patches": Buffer((n * oh * ow * kh * kw * c,), life="scratch"),
            "products": Buffer((n if self.grain.product else 1, *shape), life="scratch", inference=False),
            "part": Buffer(shape, life="scratch", inference=False),
            "part_b": Buffer((1, o), life="scratch", inference=False),
        }
        if not self.bias:
            del buffers["part_b"]
        if self.padding == (0, 0):
            del buffers["padded"]
        if self._correlates:
            qh, qw = self._complement
            buffers["dy_padded"] = Buffer((n, oh + 2 * qh, ow + 2 * qw, o), life="own", inference=False)
            buffers["dy_patches"] = Buffer((n, h, w, kh, kw, o), life="scratch", inference=False)
            buffers["flipped"] = Buffer((kh, kw, o, c), life="scratch", inference=False)
            buffers["dflipped"] = Buffer((kh, kw, o, c), life="scratch", inference=False)
        else:
            buffers["dpatches"] = Buffer((n, oh, ow, kh, kw, c), life="scratch", inference=False)
            buffers["dpadded"] = Buffer((n, h + 2 * ph, w + 2 * pw, c), life="scratch", inference=False)
        return Declaration((batch, oh, ow, o), parameters=parameters, buffers=buffers)

    def forward(self, ops: Ops, x: Array) -> Array:
        W = reshaped(self.W, (*self.lead, -1, self.channels))  # (…, K·K·C, O)
        for images in self._chunks(ops):
            y = self._matrices(self.y[images])
            self._multiply(ops, self._unroll(ops, x[images]), W, out=y)
            if self.bias:
                y = rows(self.y[images], self.lead)
                ops.add(y, self.b, out=y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """db = Σ_{B,H,W} dy    dW, dx: see _correlate, and where that does not do, _add_overlaps"""
        correlates = self.dx is not None and self._correlates
        if correlates:
            ops.copy(transpose(self.W[..., ::-1, ::-1, :, :]), out=self.flipped)
        for position, images in enumerate(self._chunks(ops)):
            if correlates:
                self._correlate(ops, dy[images], images, first=not position)
            else:
                patches, dW = self._unroll(ops, self.x[images]), reshaped(self.dW, (*self.lead, -1, self.channels))
                self._weight_gradient(ops, patches, self._matrices(dy[images]), dW, first=not position)
                if self.dx is not None:
                    self._add_overlaps(ops, dy[images], self.dx[images])
            if self.bias:
                ops.sum_batch(rows(dy[images], self.lead), out=self.part_b if position else self.db)
                if position:
                    ops.add(self.db, self.part_b, out=self.db)
        if correlates:
            ops.copy(transpose(self.dflipped)[..., ::-1, ::-1, :, :], out=self.dW)
        return self.dx

    def _weight_gradient(self, ops: Ops, patches: Array, other: Array, total: Array, *, first: bool) -> None:
        """total ← Σ_n patchesᵀ other, or total + that if these are not the first images.

        patches (…, n, pixels, K·K·C)   other (…, n, pixels, O)   total (…, K·K·C, O), or with C and O exchanged
        """
        out = total if first else reshaped(self.part, total.shape)
        if self._apart(patches, other.shape[-1]):
            products = reshaped(self.products[self._first(patches.shape[-3])], (*patches.shape[:-2], *out.shape[-2:]))
            ops.matmul(transpose(patches), other, out=products)
            ops.sum(products, -3, out=out)
        else:
            ops.matmul(transpose(joined(patches)), joined(other), out=out)
        if not first:
            ops.add(total, out, out=total)

    def _multiply(self, ops: Ops, a: Array, b: Array, *, out: Array) -> None:
        """out = a b.  a (…, n, pixels, K)   b (…, K, O)   out (…, n, pixels, O)"""
        if self._apart(a, b.shape[-1]):
            ops.matmul(a, b[..., None, :, :], out=out)
        else:
            ops.matmul(joined(a), b, out=joined(out))

    def _apart(self, patches: Array, columns: int) -> bool:
        """Tell whether every image is a product of its own."""
        return int(prod(patches.shape[-2:])) * columns <= self.grain.product

    def _matrices(self, x: Array) -> Array:
        """Return x (…, n, H, W, C) as one matrix an image, (…, n, H·W, C)."""
        return reshaped(x, (*x.shape[:-3], x.shape[-3] * x.shape[-2], x.shape[-1]))

    # ------------------------------------------------ the gradient with respect to the input

    @property
    def _complement(self) -> tuple[int, int]:
        """Q = K − 1 − P: the padding with which dy has as many windows as x has pixels."""
        return (self.kernel[0] - 1 - self.padding[0], self.kernel[1] - 1 - self.padding[1])

    @property
    def _correlates(self) -> bool:
        """True if dx is itself a convolution, of padded dy with the flipped kernel: where the stride is 1."""
        return self.stride == (1, 1) and min(self._complement) >= 0

    def _correlate(self, ops: Ops, dy: Array, images: tuple[Any, ...], *, first: bool) -> None:
        """Both gradients from the patches of dy, as forward with dy in place of x and W flipped.

        dx[h,w,c] = Σ_{k,l,o} dy[h+k−Q, w+l−Q, o] W[K−1−k, K−1−l, c, o]
        dW[K−1−k, K−1−l, c, o] = Σ_{h,w} dy[h+k−Q, w+l−Q, o] x[h,w,c]
        """
        assert self.dx is not None
        x, dx = self._matrices(self.x[images]), self._matrices(self.dx[images])
        some = self._first(dx.shape[-3])
        padded, (qh, qw) = self.dy_padded[some], self._complement
        h, w = padded.shape[-3:-1]
        ops.copy(dy, out=padded[..., qh : h - qh, qw : w - qw, :])
        ops.copy(ops.windows(padded, self.kernel, (1, 1)), out=self.dy_patches[some])
        flipped, dflipped = (reshaped(a, (*self.lead, -1, dx.shape[-1])) for a in (self.flipped, self.dflipped))
        patches = reshaped(self.dy_patches[some], (*dx.shape[:-1], flipped.shape[-2]))
        self._weight_gradient(ops, patches, x, dflipped, first=first)
        self._multiply(ops, patches, flipped, out=dx)

    def _add_overlaps(self, ops: Ops, dy: Array, dx: Array) -> None:
        """dx = the patches of dy Wᵀ, added up where they overlap"""
        some = self._first(dx.shape[len(self.lead)])
        dpatches, dpadded = self.dpatches[some], self.dpadded[some]
        W, dy_rows = reshaped(self.W, (*self.lead, -1, self.channels)), rows(dy, self.lead)
        ops.matmul(dy_rows, transpose(W), out=reshaped(dpatches, (*dy_rows.shape[:-1], W.shape[-2])))
        ops.fill(0.0, out=dpadded)
        for i, j in offsets(self.kernel):
            window = dpadded[strided(i, j, self.stride, self.y.shape[-3:-1])]
            ops.add(window, dpatches[..., i, j, :], out=window)
        ops.copy(self._interior(dpadded), out=dx)

    # ------------------------------------------------ patches

    def _unroll(self, ops: Ops, x: Array) -> Array:
        """Copy the patches of some images.  x (…, n, H, W, C)   result (…, n, OH·OW, K·K·C)

        In memory a patch is contiguous where that copies long runs; with few channels, position in the patch
        is the outermost axis instead, and the runs are rows of the image.
        """
        if self.padding != (0, 0):
            padded = self.padded[self._first(x.shape[-4])]  # its border is zero and is never written
            ops.copy(x, out=self._interior(padded))
            x = padded
        windows = ops.windows(x, self.kernel, self.stride)  # (…, n, OH, OW, K, K, C)
        lead, size = self.lead, prod(windows.shape[-6:])
        n, pixels, patch = windows.shape[-6], prod(windows.shape[-5:-3]), prod(windows.shape[-3:])
        few = x.shape[-1] <= FEW_CHANNELS
        if few:
            axis = len(lead)
            windows = windows.transpose(*range(axis), *range(axis + 3, axis + 6), *range(axis, axis + 3))
        patches = self.patches[..., :size]
        ops.copy(windows, out=reshaped(patches, windows.shape))
        if few:
            return reshaped(patches, (*lead, patch, n, pixels)).swapaxes(-3, -2).swapaxes(-2, -1)
        return reshaped(patches, (*lead, n, pixels, patch))

    def _chunks(self, ops: Ops) -> Iterator[tuple[Any, ...]]:
        """Yield the images of each block, and of those only as many at a time as there is room for patches."""
        oh, ow = self.y.shape[-3:-1]
        n = self.patches.shape[-1] // (oh * ow * self.kernel[0] * self.kernel[1] * self.x.shape[-1])
        for (*replicas, block), _ in self.blocks(ops, self.x):
            for start in range(block.start, block.stop, n):
                yield (*replicas, slice(start, min(start + n, block.stop)))

    def _unrolled(self, x: Shape, patches: int) -> int:
        """Return how many images are unrolled at a time, each into so many elements: equal parts of a block."""
        block = self.at_a_time or images_at_a_time(self.grain, x)
        return -(-block // -(-block // max(1, self.grain.elements // patches)))

    def _first(self, n: int) -> tuple[slice, ...]:
        return (*[slice(None)] * len(self.lead), slice(0, n))

    def _interior(self, padded: Array) -> Array:
        (ph, pw), (h, w) = self.padding, padded.shape[-3:-1]
        return padded[..., ph : h - ph, pw : w - pw, :]

    def settings(self) -> str:
        kernel = self.kernel[0] if self.kernel[0] == self.kernel[1] else self.kernel
        return f"{self.channels}, {kernel}" + self.options(stride=(1, 1), padding=(0, 0), bias=True)


def joined(matrices: Array) -> Array:
    """Return matrices (…, n, M, K) as one, (…, n·M, K)."""
    *lead, n, m, k = matrices.shape
    return reshaped(matrices, (*lead, n * m, k))


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
