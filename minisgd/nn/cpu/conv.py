"""Convolution a few images at a time: their patches stay in the cache between the copy and the product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

from minisgd.backend import NumpyOps
from minisgd.backend.dispatch import tuned
from minisgd.nn.cpu import block_size
from minisgd.nn.cpu.block_size import blocks, images_per_block
from minisgd.nn.declaration import Buffer, Declaration
from minisgd.nn.layers.conv import Conv2d
from minisgd.nn.shapes import reshaped, rows, transpose
from minisgd.typing import Array, Shape

FEW_CHANNELS = 4
"""Up to so many channels, patches are laid out by position, so that copying them moves rows of the image."""


class Arrays(Conv2d):
    """The layer with the arrays that are declared here, for annotations alone. n images are unrolled at a time."""

    products: Array
    part: Array
    part_b: Array
    dy_padded: Array
    dy_patches: Array
    flipped: Array
    dflipped: Array
    dpatches: Array


@tuned("cpu", Conv2d, "declare")
def declare(self: Arrays, x: Shape) -> Declaration:
    declared = Conv2d.declare(self, x)
    (batch, h, w, c), (_, oh, ow, o) = x, declared.y
    (kh, kw), (ph, pw) = self.kernel, self.padding
    shape = (kh, kw, c, o)
    n = min(batch, _unrolled(self, x, oh * ow * kh * kw * c))
    buffers = {
        "padded": Buffer((n, h + 2 * ph, w + 2 * pw, c), life="own"),
        "patches": Buffer((n * oh * ow * kh * kw * c,), life="scratch"),
        "products": Buffer((n, *shape), life="scratch", inference=False),
        "part": Buffer(shape, life="scratch", inference=False),
        "part_b": Buffer((1, o), life="scratch", inference=False),
    }
    if not self.bias:
        del buffers["part_b"]
    if self.padding == (0, 0):
        del buffers["padded"]
    if _correlates(self):
        qh, qw = _complement(self)
        buffers["dy_padded"] = Buffer((n, oh + 2 * qh, ow + 2 * qw, o), life="own", inference=False)
        buffers["dy_patches"] = Buffer((n, h, w, kh, kw, o), life="scratch", inference=False)
        buffers["flipped"] = Buffer((kh, kw, o, c), life="scratch", inference=False)
        buffers["dflipped"] = Buffer((kh, kw, o, c), life="scratch", inference=False)
    else:
        buffers["dpatches"] = Buffer((n, oh, ow, kh, kw, c), life="scratch", inference=False)
        buffers["dpadded"] = Buffer((n, h + 2 * ph, w + 2 * pw, c), life="scratch", inference=False)
    return replace(declared, buffers=buffers)


@tuned("cpu", Conv2d, "forward")
def forward(self: Arrays, ops: NumpyOps, x: Array) -> Array:
    W = reshaped(self.W, (*self.lead, -1, self.channels))  # (…, K·K·C, O)
    for images in _chunks(self, ops):
        y = _matrices(self.y[images])
        _multiply(ops, _unroll(self, ops, x[images]), W, out=y)
        if self.bias:
            y = rows(self.y[images], self.lead)
            ops.add(y, self.b, out=y)
    return self.y


@tuned("cpu", Conv2d, "backward")
def backward(self: Arrays, ops: NumpyOps, dy: Array) -> Array | None:
    """db = Σ_{B,H,W} dy    dW, dx: see _correlate, and where that does not do, _add_overlaps"""
    correlates = self.dx is not None and _correlates(self)
    if correlates:
        ops.copy(transpose(self.W[..., ::-1, ::-1, :, :]), out=self.flipped)
    for position, images in enumerate(_chunks(self, ops)):
        if correlates:
            _correlate(self, ops, dy[images], images, first=not position)
        else:
            if self.learns:
                patches, dW = _unroll(self, ops, self.x[images]), reshaped(self.dW, (*self.lead, -1, self.channels))
                _weight_gradient(self, ops, patches, _matrices(dy[images]), dW, first=not position)
            if self.dx is not None:
                _add_overlaps(self, ops, dy[images], self.dx[images])
        if self.learns and self.bias:
            ops.sum_batch(rows(dy[images], self.lead), out=self.part_b if position else self.db)
            if position:
                ops.add(self.db, self.part_b, out=self.db)
    if correlates and self.learns:
        ops.copy(transpose(self.dflipped)[..., ::-1, ::-1, :, :], out=self.dW)
    return self.dx


def _weight_gradient(self: Arrays, ops: NumpyOps, patches: Array, other: Array, total: Array, *, first: bool) -> None:
    """total ← Σ_n patchesᵀ other, or total + that if these are not the first images.

    patches (…, n, pixels, K·K·C)   other (…, n, pixels, O)   total (…, K·K·C, O), or with C and O exchanged
    """
    out = total if first else reshaped(self.part, total.shape)
    if _is_small(patches, other.shape[-1]):
        products = reshaped(self.products[_first(self, patches.shape[-3])], (*patches.shape[:-2], *out.shape[-2:]))
        ops.matmul(transpose(patches), other, out=products)
        ops.sum(products, -3, out=out)
    else:
        ops.matmul(transpose(joined(patches)), joined(other), out=out)
    if not first:
        ops.add(total, out, out=total)


def _multiply(ops: NumpyOps, a: Array, b: Array, *, out: Array) -> None:
    """out = a b.  a (…, n, pixels, K)   b (…, K, O)   out (…, n, pixels, O)"""
    if _is_small(a, b.shape[-1]):
        ops.matmul(a, b[..., None, :, :], out=out)
    else:
        ops.matmul(joined(a), b, out=joined(out))


def _is_small(patches: Array, columns: int) -> bool:
    """Tell whether a matrix product of each image is faster than one of all together."""
    return int(prod(patches.shape[-2:])) * columns <= block_size.CACHED.product


def _matrices(x: Array) -> Array:
    """Return x (…, n, H, W, C) as one matrix an image, (…, n, H·W, C)."""
    return reshaped(x, (*x.shape[:-3], x.shape[-3] * x.shape[-2], x.shape[-1]))


# ------------------------------------------------ the gradient with respect to the input


def _complement(self: Arrays) -> tuple[int, int]:
    """Q = K − 1 − P: the padding with which dy has as many windows as x has pixels."""
    return (self.kernel[0] - 1 - self.padding[0], self.kernel[1] - 1 - self.padding[1])


def _correlates(self: Arrays) -> bool:
    """True if dx is itself a convolution, of padded dy with the flipped kernel: where the stride is 1."""
    return self.stride == (1, 1) and min(_complement(self)) >= 0


def _correlate(self: Arrays, ops: NumpyOps, dy: Array, images: tuple[Any, ...], *, first: bool) -> None:
    """Both gradients from the patches of dy, as forward with dy in place of x and W flipped.

    dx[h,w,c] = Σ_{k,l,o} dy[h+k−Q, w+l−Q, o] W[K−1−k, K−1−l, c, o]
    dW[K−1−k, K−1−l, c, o] = Σ_{h,w} dy[h+k−Q, w+l−Q, o] x[h,w,c]
    """
    assert self.dx is not None
    x, dx = _matrices(self.x[images]), _matrices(self.dx[images])
    some = _first(self, dx.shape[-3])
    padded, (qh, qw) = self.dy_padded[some], _complement(self)
    h, w = padded.shape[-3:-1]
    ops.copy(dy, out=padded[..., qh : h - qh, qw : w - qw, :])
    ops.copy(ops.windows(padded, self.kernel, (1, 1)), out=self.dy_patches[some])
    flipped, dflipped = (reshaped(a, (*self.lead, -1, dx.shape[-1])) for a in (self.flipped, self.dflipped))
    patches = reshaped(self.dy_patches[some], (*dx.shape[:-1], flipped.shape[-2]))
    if self.learns:
        _weight_gradient(self, ops, patches, x, dflipped, first=first)
    _multiply(ops, patches, flipped, out=dx)


def _add_overlaps(self: Arrays, ops: NumpyOps, dy: Array, dx: Array) -> None:
    """dx = the patches of dy Wᵀ, added up where they overlap"""
    some = _first(self, dx.shape[len(self.lead)])
    dpatches, dpadded = self.dpatches[some], self.dpadded[some]
    W, dy_rows = reshaped(self.W, (*self.lead, -1, self.channels)), rows(dy, self.lead)
    ops.matmul(dy_rows, transpose(W), out=reshaped(dpatches, (*dy_rows.shape[:-1], W.shape[-2])))
    self.fold(ops, dpatches, dpadded)
    ops.copy(self.interior(dpadded), out=dx)


# ------------------------------------------------ patches


def _unroll(self: Arrays, ops: NumpyOps, x: Array) -> Array:
    """Copy the patches of some images.  x (…, n, H, W, C)   result (…, n, OH·OW, K·K·C)

    In memory a patch is contiguous where that copies long runs; with few channels, position in the patch
    is the outermost axis instead, and the runs are rows of the image.
    """
    if self.padding != (0, 0):
        padded = self.padded[_first(self, x.shape[-4])]  # its border is zero and is never written
        ops.copy(x, out=self.interior(padded))
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


def _chunks(self: Arrays, ops: NumpyOps) -> Iterator[tuple[Any, ...]]:
    """Yield the images of each block, and of those only as many at a time as there is room for patches."""
    oh, ow = self.y.shape[-3:-1]
    n = self.patches.shape[-1] // (oh * ow * self.kernel[0] * self.kernel[1] * self.x.shape[-1])
    for (*replicas, block), _ in blocks(self, ops, self.x):
        for start in range(block.start, block.stop, n):
            yield (*replicas, slice(start, min(start + n, block.stop)))


def _unrolled(self: Arrays, x: Shape, patches: int) -> int:
    """Return how many images are unrolled at a time, each into so many elements: equal parts of a block."""
    block = images_per_block(self, x)
    return -(-block // -(-block // max(1, block_size.CACHED.elements // patches)))


def _first(self: Arrays, n: int) -> tuple[slice, ...]:
    return (*[slice(None)] * len(self.lead), slice(0, n))


def joined(matrices: Array) -> Array:
    """Return matrices (…, n, M, K) as one, (…, n·M, K)."""
    *lead, n, m, k = matrices.shape
    return reshaped(matrices, (*lead, n * m, k))
