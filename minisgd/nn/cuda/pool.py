"""Pooling: one launch forward, one backward."""

from __future__ import annotations

from collections.abc import Callable

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.kernels.pool import Pool
from minisgd.nn.cuda.replicas import dense
from minisgd.nn.layers.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from minisgd.nn.shapes import reshaped
from minisgd.typing import Array, Shape


@tuned("cuda", MaxPool2d, "forward", "infer")
def max_forward(self: MaxPool2d, ops: CupyVocabulary, x: Array) -> Array:
    """y = the largest of each window"""
    pool = Pool(ops.kernels.library(x.dtype), self.kernel, self.stride)
    ops.launch("max_pool", lambda: _each(pool.max, self.lead, x, self.y), (x,), self.y)
    return self.y


@tuned("cuda", MaxPool2d, "backward")
def max_backward(self: MaxPool2d, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dx = dy at the first maximum of each window, 0 elsewhere"""
    if self.dx is None:
        return None
    pool, operands = Pool(ops.kernels.library(dy.dtype), self.kernel, self.stride), (self.x, dy, self.dx)
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


def _mean_pool(layer: AvgPool2d | GlobalAvgPool2d, ops: CupyVocabulary, x: Array) -> Pool:
    """Return the kernels for a layer; a mean over images x (…, B, H, W, C) is one over a single window."""
    whole = (x.shape[-3], x.shape[-2])
    kernel, stride = (layer.kernel, layer.stride) if isinstance(layer, AvgPool2d) else (whole, whole)
    return Pool(ops.kernels.library(x.dtype), kernel, stride)


def _each(kernel: Callable[..., None], lead: Shape, *arrays: Array) -> None:
    for each in dense(lead, *arrays):
        kernel(*each)


def _as_images(y: Array, x: Array) -> Array:
    """Return y (…, B, C), the means of whole images x, as images of one pixel (…, B, 1, 1, C)."""
    return y if y.ndim == x.ndim else reshaped(y, (*y.shape[:-1], 1, 1, y.shape[-1]))
