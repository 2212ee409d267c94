"""Max-pooling first over the columns of a window, then over its rows: whole images are compared with themselves moved.

An image is compared with itself moved by a pixel, as one long run of memory: of the windows that begin at every pixel,
every S-th is taken afterwards. Where a pixel exceeded all before it is kept, a byte each, and says where the gradient
goes.
"""

from __future__ import annotations

from typing import Any

from minisgd.backend import NumpyOps
from minisgd.backend.dispatch import tuned
from minisgd.nn.cpu.block_size import as_runs, blocks, images_per_block
from minisgd.nn.declaration import Buffer, Declaration
from minisgd.nn.layers.pool import MaxPool2d
from minisgd.nn.layers.windows import strided
from minisgd.typing import Array, Shape


class Arrays(MaxPool2d):
    """The layer with the arrays that are declared here, for annotations alone."""

    right: Array
    below: Array
    across: Array
    down: Array
    of_row: Array
    of_rows: Array
    of_pixel: Array
    of_pixels: Array


@tuned("cpu", MaxPool2d, "declare")
def declare(self: Arrays, x: Shape) -> Declaration:
    (b, oh, ow, c), (kh, kw) = self.output(x), self.kernel
    n = min(b, images_per_block(self, x))
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


@tuned("cpu", MaxPool2d, "forward")
def forward(self: Arrays, ops: NumpyOps, x: Array) -> Array:
    for some, n in blocks(self, ops, x):
        columns = _across(self, ops, x[some], self.across[n], self.exceeds[n], self.right[some])
        _down(self, ops, columns, self.down[n], self.exceeds[n], self.below[some], out=self.y[some])
    return self.y


@tuned("cpu", MaxPool2d, "infer")
def infer(self: Arrays, ops: NumpyOps, x: Array) -> Array:
    for some, n in blocks(self, ops, x):
        columns = _across(self, ops, x[some], self.across[n])
        _down(self, ops, columns, self.down[n], out=self.y[some])
    return self.y


def _across(
    self: Arrays, ops: NumpyOps, x: Array, best: Array, exceeds: Array | None = None, right: Array | None = None
) -> Array:
    """Return the maximum over the columns of windows that begin at every pixel.  x, result (…, n, H, W, C)"""
    found, c = x, x.shape[-1]
    for k in range(1, self.kernel[1]):
        begin = (..., slice(0, -k * c))
        pixels, so_far = as_runs(x)[..., k * c :], as_runs(found)[begin]
        if exceeds is not None and right is not None:
            ops.greater(pixels, so_far, out=as_runs(exceeds)[begin])
            ops.copy(_taken(self, exceeds), out=right[..., k - 1, :, :, :])
        ops.maximum(pixels, so_far, out=as_runs(best)[begin])
        found = best
    return found


def _down(
    self: Arrays,
    ops: NumpyOps,
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
            ops.copy(_taken(self, exceeds[..., :oh, :, :]), out=below[..., k, :, :, :])
        ops.maximum(pixels, found, out=best)
        found = best
    ops.copy(_taken(self, found), out=out)


def _taken(self: Arrays, columns: Array) -> Array:
    """Return what stands where a window begins.  columns (…, W, C)   result (…, OW, C)"""
    taken: Array = columns[strided(0, 0, (1, self.stride[1]), (columns.shape[-3], self.y.shape[-2]))]
    return taken


@tuned("cpu", MaxPool2d, "backward")
def backward(self: Arrays, ops: NumpyOps, dy: Array) -> Array | None:
    """dx = dy at the first maximum of each window, 0 elsewhere; windows that overlap add up"""
    if self.dx is None:
        return None
    if not (_is_disjoint(self) and _covers(self, self.dx)):
        ops.fill(0.0, out=self.dx)
    for some, n in blocks(self, ops, self.dx):
        _to_first_maximum(self, ops, dy[some], self.right[some], self.below[some], n, out=self.dx[some])
    return self.dx


def _to_first_maximum(
    self: Arrays, ops: NumpyOps, dy: Array, right: Array, below: Array, n: Any, *, out: Array
) -> None:
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
            if _is_disjoint(self):
                ops.copy(pixel, out=dx)
            else:
                ops.add(dx, pixel, out=dx)


def _split(ops: NumpyOps, d: Array, mask: Array, inside: Array, outside: Array) -> tuple[Array, Array]:
    """inside = d where the mask is set, outside = d where it is not"""
    ops.multiply(d, mask, out=inside)
    ops.subtract(d, inside, out=outside)
    return inside, outside


def _is_disjoint(layer: MaxPool2d) -> bool:
    """True if no two windows overlap."""
    return layer.stride[0] >= layer.kernel[0] and layer.stride[1] >= layer.kernel[1]


def _covers(layer: MaxPool2d, x: Array) -> bool:
    """Tell whether windows that do not overlap leave out no pixel of x (…, B, H, W, C)."""
    size = tuple(n * s for n, s in zip(layer.y.shape[-3:-1], layer.stride, strict=True))
    return layer.stride == layer.kernel and x.shape[-3:-1] == size
