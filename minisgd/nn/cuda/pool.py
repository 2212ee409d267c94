"""Pooling of images, one launch forward and one backward, one thread for one number of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.kernels.shapes import blocks, require_shape
from minisgd.backend.cuda.launcher import KernelLibrary, definition
from minisgd.backend.cuda.workload import REAL, Device, Floor, Workload, Workloads
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.replicas import dense
from minisgd.nn.layers.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from minisgd.nn.shapes import reshaped
from minisgd.typing import Array, Shape

BLOCK = 256
MACROS = {"BLOCK": BLOCK}


SIZES = "elements H W C OH OW KH KW SH SW"

_define = partial(definition, "pool", (MACROS,))
MAX = _define("max_pool", "x y", SIZES)
MAX_DX = _define("max_pool_dx", "x dy dx", SIZES)
AVG = _define("avg_pool", "x y", SIZES)
AVG_DX = _define("avg_pool_dx", "dy dx", SIZES)

DEFINITIONS = (MAX, MAX_DX, AVG, AVG_DX)


class PoolKernels:
    """Pooling with the formulas of `minisgd.MaxPool2d` and `minisgd.AvgPool2d`.

    x, dx (…, H, W, C)   y, dy (…, OH, OW, C), OH = (H − K) / S + 1   kernel, stride (rows, columns)
    The mean of whole images is AvgPool with a kernel of (H, W).
    """

    def __init__(self, library: KernelLibrary, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        self._kernels = {d.name: library.kernel(d, **MACROS) for d in DEFINITIONS}
        self.kernel, self.stride = kernel, stride

    def max(self, x: Array, y: Array) -> None:
        """y = the largest of each window; NaN wins"""
        self._launch("max_pool", x=x, y=y)

    def max_dx(self, x: Array, dy: Array, dx: Array) -> None:
        """dx = dy at the first maximum of each window, 0 elsewhere; windows that overlap add up"""
        self._launch("max_pool_dx", x=x, dy=dy, dx=dx)

    def avg(self, x: Array, y: Array) -> None:
        """y = the mean of each window"""
        self._launch("avg_pool", x=x, y=y)

    def avg_dx(self, dy: Array, dx: Array) -> None:
        """dx = dy / K² in every pixel of the window; windows that overlap add up"""
        self._launch("avg_pool_dx", dy=dy, dx=dx)

    def _launch(self, name: str, **arrays: Array) -> None:
        """Launch a thread for every number of the last array.  x, dx: images; y, dy: of their windows"""
        result = [*arrays.values()][-1]
        *lead, H, W, C = arrays.get("x", result).shape
        (KH, KW), (SH, SW) = self.kernel, self.stride
        OH, OW = (H - KH) // SH + 1, (W - KW) // SW + 1
        for argument, a in arrays.items():
            size = (H, W) if argument.endswith("x") else (OH, OW)
            require_shape(a, f"{name}: {argument}", (*lead, *size, C))
        sizes = (result.size, H, W, C, OH, OW, KH, KW, SH, SW)
        self._kernels[name]((blocks(result.size, BLOCK), 1, 1), (BLOCK, 1, 1), *arrays.values(), *sizes)


# ------------------------------------------------ the methods


@tuned("cuda", MaxPool2d, "forward", "infer")
def max_forward(self: MaxPool2d, ops: CupyVocabulary, x: Array) -> Array:
    """y = the largest of each window"""
    pool = PoolKernels(ops.kernels.library(x.dtype), self.kernel, self.stride)
    ops.launch("max_pool", lambda: _each(pool.max, self.lead, x, self.y), (x,), self.y)
    return self.y


@tuned("cuda", MaxPool2d, "backward")
def max_backward(self: MaxPool2d, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dx = dy at the first maximum of each window, 0 elsewhere"""
    if self.dx is None:
        return None
    pool, operands = PoolKernels(ops.kernels.library(dy.dtype), self.kernel, self.stride), (self.x, dy, self.dx)
    ops.launch("max_pool_dx", lambda: _each(pool.max_dx, self.lead, *operands), (dy,), self.dx)
    return self.dx


@tuned("cuda", AvgPool2d, "forward")
@tuned("cuda", GlobalAvgPool2d, "forward")
def mean_forward(self: AvgPool2d | GlobalAvgPool2d, ops: CupyVocabulary, x: Array) -> Array:
    """y = the mean of each window"""
    pool, y = _mean_pool(self, ops, x), _as_images(self.y, x)
    ops.launch("avg_pool", lambda: _each(pool.avg, self.lead, x, y), (x,), self.y)
    return self.y


@tuned("cuda", AvgPool2d, "backward")
@tuned("cuda", GlobalAvgPool2d, "backward")
def mean_backward(self: AvgPool2d | GlobalAvgPool2d, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dx = dy / K² in every pixel of the window"""
    if self.dx is None:
        return None
    pool, operands = _mean_pool(self, ops, self.dx), (_as_images(dy, self.dx), self.dx)
    ops.launch("avg_pool_dx", lambda: _each(pool.avg_dx, self.lead, *operands), (dy,), self.dx)
    return self.dx


def _mean_pool(layer: AvgPool2d | GlobalAvgPool2d, ops: CupyVocabulary, x: Array) -> PoolKernels:
    """Return the kernels for a layer; a mean over images x (…, B, H, W, C) is one over a single window."""
    whole = (x.shape[-3], x.shape[-2])
    kernel, stride = (layer.kernel, layer.stride) if isinstance(layer, AvgPool2d) else (whole, whole)
    return PoolKernels(ops.kernels.library(x.dtype), kernel, stride)


def _each(kernel: Callable[..., None], lead: Shape, *arrays: Array) -> None:
    for each in dense(lead, *arrays):
        kernel(*each)


def _as_images(y: Array, x: Array) -> Array:
    """Return y (…, B, C), the means of whole images x, as images of one pixel (…, B, 1, 1, C)."""
    return y if y.ndim == x.ndim else reshaped(y, (*y.shape[:-1], 1, 1, y.shape[-1]))


# ------------------------------------------------ what is timed


def pools(device: Device, B: int, H: int, C: int) -> Iterator[Workload]:
    """Yield both poolings of windows of 2 by 2, forward and backward."""
    pool, half = PoolKernels(device.library, (2, 2), (2, 2)), H // 2
    x, dx, y, dy = (device.reals(1, B, side, side, C) for side in (H, H, half, half))
    whole, pooled = REAL * x.size, REAL * y.size
    for name, run, floor in (
        ("max_pool", lambda: pool.max(x, y), Floor(whole + pooled)),
        ("max_pool_dx", lambda: pool.max_dx(x, dy, dx), Floor(2 * whole + pooled)),
        ("avg_pool", lambda: pool.avg(x, y), Floor(whole + pooled)),
        ("avg_pool_dx", lambda: pool.avg_dx(dy, dx), Floor(whole + pooled)),
    ):
        yield Workload(name, run, floor, {name: floor})


WORKLOADS = Workloads(pools, natural=({"B": 256, "H": 28, "C": 32},), miniature=({"B": 1, "H": 8, "C": 4},))
