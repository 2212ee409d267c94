"""Batch normalisation in blocks of rows that fit into the cache: each pass over x or dy does all that it can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from minisgd.backend import NumpyOps
from minisgd.backend.dispatch import tuned
from minisgd.nn.cpu import block_size
from minisgd.nn.cpu.block_size import images_per_block
from minisgd.nn.declaration import Buffer, Declaration
from minisgd.nn.layers.batch_norm import BatchNorm
from minisgd.nn.layers.ghost_batches import ghost_batches
from minisgd.nn.layers.normalise import inverse_std
from minisgd.nn.shapes import reshaped, rows
from minisgd.typing import Array, Shape

LEAST_ROWS = 64
"""Rows of a block come in multiples of this, so that narrow ones can be joined."""


class Arrays(BatchNorm):
    """The layer with the arrays that are declared here, for annotations alone.

    moved like x: x − k   origin, mean, var, scale, shift, part (…, G, 1, C), G ghost batches; mean is μ − k
    """

    moved: Array
    origin: Array
    var: Array
    scale: Array
    shift: Array
    part: Array


@tuned("cpu", BatchNorm, "declare")
def declare(self: Arrays, x: Shape) -> Declaration:
    declared = BatchNorm.declare(self, x)
    ghosts, _, c = declared.buffers["mean"].shape
    buffers = {"moved": Buffer(x, over="x", inference=False)}
    for name in ("origin", "mean", "var", "inv", "scale", "sum_dy", "sum_dy_xhat"):
        buffers[name] = Buffer((ghosts, 1, c), inference=False)
    buffers["shift"] = Buffer((ghosts, 1, c))
    buffers["part"] = Buffer((ghosts, 1, c), life="scratch", inference=False)
    buffers |= {name: declared.buffers[name] for name in ("row", "weight")}
    image = min(x[0], images_per_block(self, x)) * prod(x[1:]) if len(x) == 4 else 0
    block = max(block_size.CACHED.elements, ghosts * LEAST_ROWS * c, image)
    buffers["work"] = Buffer((min(prod(x), block),), life="scratch", inference=False)
    return replace(declared, buffers=buffers)


# ------------------------------------------------ training


@tuned("cpu", BatchNorm, "forward")
def forward(self: Arrays, ops: NumpyOps, x: Array) -> Array:
    """y = x′ s + t  with  x′ = x − k,  s = γ/√(σ²+ε),  t = β − (μ − k) s,  k the mean of the first block

    All that is summed are x′ and x′², so x is read once for both. Subtracting k first keeps σ² = mean(x′²) −
    (μ − k)² from cancelling: the second term is at most n/m times σ², m the rows of the first block.
    """
    for of in _ghosts(self):
        x_, moved, y_ = (of.rows(a) for a in (x, self.moved, self.y))
        origin, mean, var = map(of.pick, (self.origin, self.mean, self.var))
        n = x_.shape[-2]
        for block, work in _blocks(self, ops, of, n):
            if block[1].start == 0:
                ops.sum_batch(x_[block], out=origin)
                ops.multiply(origin, 1 / work.shape[-2], out=origin)
            ops.subtract(x_[block], origin, out=moved[block])
            _add_sum(self, ops, of, block, moved[block], out=mean)
            ops.square(moved[block], out=work)
            _add_sum(self, ops, of, block, work, out=var)
        _finish_moments(self, ops, of, n)
        ops.add(origin, mean, out=origin)
        for k in range(of.count):
            self.update_running(ops, origin[..., k, :, :], var[..., k, :, :], n)
        scale, shift = _scale_and_shift(self, ops, of)
        for block, _ in _blocks(self, ops, of, n):
            ops.multiply(moved[block], scale, out=y_[block])
            ops.add(y_[block], shift, out=y_[block])
    return self.y


def _finish_moments(self: Arrays, ops: NumpyOps, of: Ghosts, n: int) -> None:
    """mean = Σ x′ / n    var = Σ x′² / n − mean²    inv = 1/√(var + ε)"""
    mean, var, inv = of.pick(self.mean), of.pick(self.var), of.pick(self.inv)
    ops.multiply(mean, 1 / n, out=mean)
    ops.multiply(var, 1 / n, out=var)
    ops.square(mean, out=inv)
    ops.subtract(var, inv, out=var)
    inverse_std(ops, var, self.eps, out=inv)


def _scale_and_shift(self: Arrays, ops: NumpyOps, of: Ghosts) -> tuple[Array, Array]:
    """s = γ inv    t = β − mean s"""
    scale, shift = of.pick(self.scale), of.pick(self.shift)
    if self.affine:
        ops.multiply(of.pick(self.inv), self.gamma[..., None, :, :], out=scale)
    else:
        ops.copy(of.pick(self.inv), out=scale)
    ops.multiply(of.pick(self.mean), scale, out=shift)
    if self.affine:
        ops.subtract(self.beta[..., None, :, :], shift, out=shift)
    else:
        ops.negative(shift, out=shift)
    return scale, shift


@tuned("cpu", BatchNorm, "backward")
def backward(self: Arrays, ops: NumpyOps, dy: Array) -> Array | None:
    """dγ = Σ dy x̂    dβ = Σ dy    dx = γ/√(σ²+ε) · (dy − mean(dy) − x̂ mean(dy x̂))"""
    groups = _ghosts(self)
    for of in groups:
        dy_, moved = of.rows(dy), of.rows(self.moved)
        sum_dy, sum_dy_xhat, part = map(of.pick, (self.sum_dy, self.sum_dy_xhat, self.part))
        for block, work in _blocks(self, ops, of, dy_.shape[-2]):
            _add_sum(self, ops, of, block, dy_[block], out=sum_dy)
            ops.multiply(dy_[block], moved[block], out=work)
            _add_sum(self, ops, of, block, work, out=sum_dy_xhat)
        # Σ dy x̂ = inv (Σ dy x′ − mean Σ dy)
        ops.multiply(of.pick(self.mean), sum_dy, out=part)
        ops.subtract(sum_dy_xhat, part, out=sum_dy_xhat)
        ops.multiply(sum_dy_xhat, of.pick(self.inv), out=sum_dy_xhat)
    if self.affine:
        used = slice(0, groups[-1].first + groups[-1].count)
        ops.sum(self.sum_dy[..., used, :, :], -3, out=self.dbeta)
        ops.sum(self.sum_dy_xhat[..., used, :, :], -3, out=self.dgamma)
    if self.dx is not None:
        for of in groups:
            _input_gradient(self, ops, of, dy, self.dx)
    return self.dx


def _input_gradient(self: Arrays, ops: NumpyOps, of: Ghosts, dy: Array, dx: Array) -> None:
    """dx = s dy + p x′ + q  with  p = −s inv mean(dy x̂),  q = −s mean(dy) − p mean"""
    dy_, moved, dx_ = (of.rows(a) for a in (dy, self.moved, dx))
    n = dy_.shape[-2]
    scale, slope, shift = of.pick(self.scale), of.pick(self.sum_dy_xhat), of.pick(self.sum_dy)
    _scale_and_shift(self, ops, of)
    for factor in (of.pick(self.inv), scale, -1 / n):
        ops.multiply(slope, factor, out=slope)
    for factor in (scale, -1 / n):
        ops.multiply(shift, factor, out=shift)
    ops.multiply(slope, of.pick(self.mean), out=of.pick(self.part))
    ops.subtract(shift, of.pick(self.part), out=shift)
    for block, work in _blocks(self, ops, of, n):
        ops.multiply(moved[block], slope, out=work)
        ops.add(work, shift, out=work)
        ops.multiply(dy_[block], scale, out=dx_[block])
        ops.add(dx_[block], work, out=dx_[block])


# ------------------------------------------------ evaluation


@tuned("cpu", BatchNorm, "infer")
def infer(self: Arrays, ops: NumpyOps, x: Array) -> Array:
    """y = x s + t  with  s = γ/√(r_var + ε),  t = β − r_mean s: two passes in place of three"""
    scale, shift = self.row, self.shift[..., 0, :, :]
    ops.add(self.running_var, self.eps, out=scale)
    ops.sqrt(scale, out=scale)
    ops.divide(self.gamma if self.affine else 1.0, scale, out=scale)
    ops.multiply(self.running_mean, scale, out=shift)
    if self.affine:
        ops.subtract(self.beta, shift, out=shift)
    else:
        ops.negative(shift, out=shift)
    y = rows(self.y, self.lead)
    ops.multiply(rows(x, self.lead), scale, out=y)
    ops.add(y, shift, out=y)
    return self.y


# ------------------------------------------------ blocks


@dataclass(frozen=True)
class Ghosts:
    """``count`` ghost batches of ``size`` examples each, from example ``start`` and ghost batch ``first`` on.

    axis: of the batch
    """

    start: int
    count: int
    size: int
    first: int
    axis: int

    def pick(self, statistics: Array) -> Array:
        """Return the rows of these ghost batches.  statistics (…, G, 1, C)"""
        return statistics[..., self.first : self.first + self.count, :, :]

    def rows(self, x: Array) -> Array:
        """Return the examples of these ghost batches as matrices, (…, count, n, C)."""
        part = x[(*[slice(None)] * self.axis, slice(self.start, self.start + self.count * self.size))]
        return reshaped(part, (*part.shape[: self.axis], self.count, -1, x.shape[-1]))


def _ghosts(layer: BatchNorm) -> list[Ghosts]:
    """Return the ghost batches: those of full size together, then the rest."""
    runs, axis = ghost_batches(layer), len(layer.lead)
    sizes = [run.stop - run.start for run in runs]
    full = sizes.count(sizes[0])
    groups = [Ghosts(0, full, sizes[0], 0, axis)]
    if full < len(runs):
        groups.append(Ghosts(runs[-1].start, 1, sizes[-1], full, axis))
    return groups


def _blocks(layer: Arrays, ops: NumpyOps, of: Ghosts, n: int) -> Iterator[tuple[Any, Array]]:
    """Yield runs of rows (…, G, m, C) that fit into the cache, and scratch for each.

    One ghost batch of images is cut as all layers cut images, so that they can take turns.
    """
    c, shape = layer.y.shape[-1], layer.y.shape[len(layer.lead) :]
    if of.count == 1 and len(shape) == 4:
        m = min(shape[0], images_per_block(layer, shape)) * shape[1] * shape[2]
    else:
        cached = block_size.CACHED.elements // (prod(layer.lead) * of.count * c)
        m = max(LEAST_ROWS, cached // LEAST_ROWS * LEAST_ROWS)
    for some in ops.blocks(n, m):
        shape = (of.count, some.stop - some.start, c)
        work = reshaped(layer.work[..., : prod(shape)], (*layer.lead, *shape))
        yield (..., some, slice(None)), work


def _add_sum(layer: Arrays, ops: NumpyOps, of: Ghosts, block: Any, a: Array, *, out: Array) -> None:
    """out (…, G, 1, C) ← Σ a for the first block of rows, out + Σ a for the others"""
    if block[1].start == 0:
        ops.sum_batch(a, out=out)
    else:
        part = of.pick(layer.part)
        ops.sum_batch(a, out=part)
        ops.add(out, part, out=out)
