"""Batch normalisation, over the whole batch or over ghost batches."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from minisgd.backend import Ops
from minisgd.errors import ShapeError
from minisgd.nn.initializers import Ones, Zeros
from minisgd.nn.layer import Buffer, Declaration, Layer, Parameter, Statistic, positive, within
from minisgd.nn.layers.frozen import FrozenBatchNorm
from minisgd.nn.shapes import reshaped, rows
from minisgd.typing import Array, Shape

LEAST_ROWS = 64
"""Rows of a block come in multiples of this, so that narrow ones can be joined."""


class BatchNorm(Layer):
    """Batch normalisation: x̂ = (x − μ) / √(σ² + ε), y = γ x̂ + β  (Ioffe and Szegedy 2015, algorithm 1).

    x (…, B, C) or (…, B, H, W, C); μ and σ² over everything but C (σ² with denominator n). Evaluation uses
    running statistics: r ← (1 − η) r + η s, η = momentum, the variance with denominator n − 1.

    ghost: normalise each run of that many examples apart (Hoffer et al. 2017, algorithm 1); the running
    statistics then take in the ghost batches one after the other. What is left over at the end of a batch
    forms a smaller ghost batch, or joins the one before it where it would be a single value per channel.
    Evaluation ignores the ghost size.
    """

    couples_batch = True

    gamma: Array
    dgamma: Array
    beta: Array
    dbeta: Array
    running_mean: Array
    running_var: Array
    moved: Array
    work: Array
    part: Array
    origin: Array
    mean: Array
    var: Array
    inv: Array
    scale: Array
    shift: Array
    sum_dy: Array
    sum_dy_xhat: Array
    row: Array

    def __init__(
        self,
        *,
        momentum: float = 0.1,
        eps: float = 1e-5,
        affine: bool = True,
        ghost: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.momentum = within("[0, 1]", momentum, f"{self.label}: momentum", "0.1 is customary")
        self.eps = within("(0, inf)", eps, f"{self.label}: eps", "1e-5 is customary")
        self.affine = affine
        self.ghost = None if ghost is None else positive(ghost, f"{self.label}: ghost")

    @property
    def order_matters(self) -> bool:  # type: ignore[override]
        """True with ghost batches: neighbours in a batch are normalised together."""
        return self.ghost is not None

    def declare(self, x: Shape) -> Declaration:
        if len(x) not in (2, 4):
            self.require_rank(x, 2, "(B, features) or (B, H, W, C)", "flatten or add a channel axis first")
        c = x[-1]
        ghosts = -(-x[0] // (self.ghost or x[0]))
        parameters = {}
        if self.affine:
            parameters["gamma"] = Parameter((c,), Ones(), "norm")
            parameters["beta"] = Parameter((c,), Zeros(), "norm")
        buffers = {"moved": Buffer(x, over="x", inference=False)}
        for name in ("origin", "mean", "var", "inv", "scale", "sum_dy", "sum_dy_xhat"):
            buffers[name] = Buffer((ghosts, 1, c), inference=False)
        buffers["shift"] = Buffer((ghosts, 1, c))
        buffers["part"] = Buffer((ghosts, 1, c), life="scratch", inference=False)
        buffers["row"] = Buffer((1, c), life="scratch")
        block = max(self.grain.elements, ghosts * LEAST_ROWS * c, self.images(x) * prod(x[1:]) if len(x) == 4 else 0)
        buffers["work"] = Buffer((min(prod(x), block),), life="scratch", inference=False)
        return Declaration(
            y=x,
            parameters=parameters,
            statistics={"running_mean": Statistic((c,)), "running_var": Statistic((c,), Ones())},
            buffers=buffers,
            infer="over x",
            dx_over_dy=True,
        )

    # ------------------------------------------------ training

    def forward(self, ops: Ops, x: Array) -> Array:
        """y = x′ s + t  with  x′ = x − k,  s = γ/√(σ²+ε),  t = β − (μ − k) s,  k the mean of the first block

        All that is summed are x′ and x′², so x is read once for both. Subtracting k first keeps σ² = mean(x′²) −
        (μ − k)² from cancelling: the second term is at most n/m times σ², m the rows of the first block.
        """
        for of in self._ghosts():
            x_, moved, y_ = self._rows(x, of), self._rows(self.moved, of), self._rows(self.y, of)
            origin, mean, var, inv = map(of.pick, (self.origin, self.mean, self.var, self.inv))
            n = x_.shape[-2]
            for block, work in self._blocks(ops, of, n):
                if block[1].start == 0:
                    ops.sum_batch(x_[block], out=origin)
                    ops.multiply(origin, 1 / work.shape[-2], out=origin)
                ops.subtract(x_[block], origin, out=moved[block])
                self._add_sum(ops, of, block, moved[block], out=mean)
                ops.square(moved[block], out=work)
                self._add_sum(ops, of, block, work, out=var)
            self._finish_moments(ops, of, n)
            ops.add(origin, mean, out=origin)
            for k in range(of.count):
                self._remember(ops, origin[..., k, :, :], 1.0, self.running_mean)
                self._remember(ops, var[..., k, :, :], n / (n - 1), self.running_var)
            scale, shift = self._scale_and_shift(ops, of)
            for block, _ in self._blocks(ops, of, n):
                ops.multiply(moved[block], scale, out=y_[block])
                ops.add(y_[block], shift, out=y_[block])
        return self.y

    def _finish_moments(self, ops: Ops, of: _Ghosts, n: int) -> None:
        """mean = Σ x′ / n    var = Σ x′² / n − mean²    inv = 1/√(var + ε)"""
        mean, var, inv = of.pick(self.mean), of.pick(self.var), of.pick(self.inv)
        ops.multiply(mean, 1 / n, out=mean)
        ops.multiply(var, 1 / n, out=var)
        ops.square(mean, out=inv)
        ops.subtract(var, inv, out=var)
        ops.add(var, self.eps, out=inv)
        ops.sqrt(inv, out=inv)
        ops.divide(1.0, inv, out=inv)

    def _scale_and_shift(self, ops: Ops, of: _Ghosts) -> tuple[Array, Array]:
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

    def _blocks(self, ops: Ops, of: _Ghosts, n: int) -> Iterator[tuple[Any, Array]]:
        """Yield runs of rows (…, G, m, C) that fit into the cache, and scratch for each.

        One ghost batch of images is cut as all layers cut images, so that they can take turns.
        """
        c, shape = self.y.shape[-1], self.y.shape[len(self.lead) :]
        if of.count == 1 and len(shape) == 4:
            m = self.images(shape) * shape[1] * shape[2]
        else:
            m = max(LEAST_ROWS, self.grain.elements // (prod(self.lead) * of.count * c) // LEAST_ROWS * LEAST_ROWS)
        for some in ops.blocks(n, m):
            shape = (of.count, some.stop - some.start, c)
            work = reshaped(self.work[..., : prod(shape)], (*self.lead, *shape))
            yield (..., some, slice(None)), work

    def _add_sum(self, ops: Ops, of: _Ghosts, block: Any, a: Array, *, out: Array) -> None:
        """out (…, G, 1, C) ← Σ a for the first block of rows, out + Σ a for the others"""
        if block[1].start == 0:
            ops.sum_batch(a, out=out)
        else:
            part = of.pick(self.part)
            ops.sum_batch(a, out=part)
            ops.add(out, part, out=out)

    def _remember(self, ops: Ops, value: Array, factor: float, running: Array) -> None:
        """running ← (1 − η) running + η · factor · value"""
        ops.multiply(running, 1 - self.momentum, out=running)
        ops.multiply(value, self.momentum * factor, out=self.row)
        ops.add(running, self.row, out=running)

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dγ = Σ dy x̂    dβ = Σ dy    dx = γ/√(σ²+ε) · (dy − mean(dy) − x̂ mean(dy x̂))"""
        for of in self._ghosts():
            dy_, moved = self._rows(dy, of), self._rows(self.moved, of)
            sum_dy, sum_dy_xhat, part = map(of.pick, (self.sum_dy, self.sum_dy_xhat, self.part))
            for block, work in self._blocks(ops, of, dy_.shape[-2]):
                self._add_sum(ops, of, block, dy_[block], out=sum_dy)
                ops.multiply(dy_[block], moved[block], out=work)
                self._add_sum(ops, of, block, work, out=sum_dy_xhat)
            # Σ dy x̂ = inv (Σ dy x′ − mean Σ dy)
            ops.multiply(of.pick(self.mean), sum_dy, out=part)
            ops.subtract(sum_dy_xhat, part, out=sum_dy_xhat)
            ops.multiply(sum_dy_xhat, of.pick(self.inv), out=sum_dy_xhat)
        if self.affine:
            used = slice(0, of.first + of.count)
            ops.sum(self.sum_dy[..., used, :, :], -3, out=self.dbeta)
            ops.sum(self.sum_dy_xhat[..., used, :, :], -3, out=self.dgamma)
        if self.dx is not None:
            for of in self._ghosts():
                self._input_gradient(ops, of, dy, self.dx)
        return self.dx

    def _input_gradient(self, ops: Ops, of: _Ghosts, dy: Array, dx: Array) -> None:
        """dx = s dy + p x′ + q  with  p = −s inv mean(dy x̂),  q = −s mean(dy) − p mean"""
        dy_, moved, dx_ = self._rows(dy, of), self._rows(self.moved, of), self._rows(dx, of)
        n = dy_.shape[-2]
        scale, slope, shift = of.pick(self.scale), of.pick(self.sum_dy_xhat), of.pick(self.sum_dy)
        self._scale_and_shift(ops, of)
        for factor in (of.pick(self.inv), scale, -1 / n):
            ops.multiply(slope, factor, out=slope)
        for factor in (scale, -1 / n):
            ops.multiply(shift, factor, out=shift)
        ops.multiply(slope, of.pick(self.mean), out=of.pick(self.part))
        ops.subtract(shift, of.pick(self.part), out=shift)
        for block, work in self._blocks(ops, of, n):
            ops.multiply(moved[block], slope, out=work)
            ops.add(work, shift, out=work)
            ops.multiply(dy_[block], scale, out=dx_[block])
            ops.add(dx_[block], work, out=dx_[block])

    # ------------------------------------------------ evaluation

    def infer(self, ops: Ops, x: Array) -> Array:
        """y = x s + t  with  s = γ/√(r_var + ε),  t = β − r_mean s"""
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

    def frozen(self) -> FrozenBatchNorm:
        return FrozenBatchNorm(eps=self.eps, affine=self.affine, name=self.name)

    # ------------------------------------------------ ghost batches

    def _ghosts(self) -> Iterator[_Ghosts]:
        """Yield the ghost batches: those of full size together, then the rest."""
        batch = self.y.shape[len(self.lead)]
        per_example = 1 if self.y.ndim - len(self.lead) == 2 else self.y.shape[-3] * self.y.shape[-2]
        size = min(self.ghost or batch, batch)
        full, left = divmod(batch, size)
        if left * per_example == 1:  # a single value per channel has no variance
            full, left = full - 1, left + size
        if min(size, left or size) * per_example == 1:
            raise ShapeError(
                f"{self.label}: x",
                expected="at least two values per channel in training",
                got=f"a batch of {batch}, normalised {size} at a time",
                fix="use a larger batch, drop the short last batch (last_batch='drop'), or use ms.LayerNorm",
            )
        if full:
            yield _Ghosts(0, full, size, len(self.lead), 0)
        if left:
            yield _Ghosts(full * size, 1, left, len(self.lead), full)

    def _rows(self, x: Array, of: _Ghosts) -> Array:
        """Return the examples of some ghost batches as matrices, (…, G, n, C)."""
        part = x[(*[slice(None)] * of.axis, slice(of.start, of.start + of.count * of.size))]
        return reshaped(part, (*part.shape[: of.axis], of.count, -1, x.shape[-1]))

    def settings(self) -> str:
        return self.options(momentum=0.1, eps=1e-5, affine=True, ghost=None)


class _Ghosts:
    """``count`` ghost batches of ``size`` examples each, from example ``start`` on."""

    def __init__(self, start: int, count: int, size: int, axis: int, first: int) -> None:
        self.start, self.count, self.size, self.axis, self.first = start, count, size, axis, first

    def pick(self, statistics: Array) -> Array:
        """Return the rows of these ghost batches.  statistics (…, G, 1, C)"""
        return statistics[..., self.first : self.first + self.count, :, :]
