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

BLOCK = 1 << 16
"""Elements worked on at a time: a few arrays of so many fit into a second-level cache."""

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
    xhat: Array
    work: Array
    part: Array
    mean: Array
    var: Array
    inv: Array
    sum_dy: Array
    sum_dy_xhat: Array
    row: Array
    shift: Array

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

    def declare(self, x: Shape) -> Declaration:
        if len(x) not in (2, 4):
            self.require_rank(x, 2, "(B, features) or (B, H, W, C)", "flatten or add a channel axis first")
        c = x[-1]
        ghosts = -(-x[0] // (self.ghost or x[0]))
        parameters, buffers = {}, {}
        if self.affine:
            parameters["gamma"] = Parameter((c,), Ones(), "norm")
            parameters["beta"] = Parameter((c,), Zeros(), "norm")
            buffers["xhat"] = Buffer(x, over="x", inference=False)
        for name, life in (("mean", "scratch"), ("var", "scratch"), ("inv", "kept")):
            buffers[name] = Buffer((ghosts, 1, c), life=life, inference=False)  # type: ignore[arg-type]
        for name in ("sum_dy", "sum_dy_xhat"):
            buffers[name] = Buffer((ghosts, 1, c), life="scratch", inference=False)
        buffers["part"] = Buffer((ghosts, 1, c), life="scratch", inference=False)
        buffers["work"] = Buffer((min(prod(x), max(BLOCK, ghosts * LEAST_ROWS * c)),), life="scratch", inference=False)
        buffers["row"] = Buffer((1, c), life="scratch")
        buffers["shift"] = Buffer((1, c), life="scratch")
        return Declaration(
            y=x,
            parameters=parameters,
            statistics={"running_mean": Statistic((c,)), "running_var": Statistic((c,), Ones())},
            buffers=buffers,
            y_over_x=not self.affine,
            keeps_y=not self.affine,
            infer="over x",
            dx_over_dy=True,
        )

    # ------------------------------------------------ training

    def forward(self, ops: Ops, x: Array) -> Array:
        xhat = self.xhat if self.affine else self.y
        for of in self._ghosts():
            x_, xhat_, y_ = self._rows(x, of), self._rows(xhat, of), self._rows(self.y, of)
            mean, var, inv = of.pick(self.mean), of.pick(self.var), of.pick(self.inv)
            n = x_.shape[-2]
            ops.sum_batch(x_, out=mean)
            ops.multiply(mean, 1 / n, out=mean)
            for rows_, work in self._blocks(of, n):
                ops.subtract(x_[rows_], mean, out=xhat_[rows_])
                ops.square(xhat_[rows_], out=work)
                self._add_sum(ops, of, rows_, work, out=var)
            ops.multiply(var, 1 / n, out=var)
            ops.add(var, self.eps, out=inv)
            ops.sqrt(inv, out=inv)
            ops.divide(1.0, inv, out=inv)
            for rows_, _ in self._blocks(of, n):
                ops.multiply(xhat_[rows_], inv, out=xhat_[rows_])
                if self.affine:
                    ops.multiply(xhat_[rows_], self.gamma[..., None, :, :], out=y_[rows_])
                    ops.add(y_[rows_], self.beta[..., None, :, :], out=y_[rows_])
            for k in range(of.count):
                self._remember(ops, mean[..., k, :, :], 1.0, self.running_mean)
                self._remember(ops, var[..., k, :, :], n / (n - 1), self.running_var)
        return self.y

    def _blocks(self, of: _Ghosts, n: int) -> Iterator[tuple[Any, Array]]:
        """Yield runs of rows (…, G, m, C) that fit into the cache, and scratch for each.

        What is computed on a block, one operation after the other, is still there for the next operation.
        """
        c = self.y.shape[-1]
        m = max(LEAST_ROWS, BLOCK // (prod(self.lead) * of.count * c) // LEAST_ROWS * LEAST_ROWS)
        for start in range(0, n, m):
            stop = min(start + m, n)
            shape = (of.count, stop - start, c)
            work = reshaped(self.work[..., : prod(shape)], (*self.lead, *shape))
            yield (..., slice(start, stop), slice(None)), work

    def _add_sum(self, ops: Ops, of: _Ghosts, rows_: Any, a: Array, *, out: Array) -> None:
        """out (…, G, 1, C) ← Σ a for the first block of rows, out + Σ a for the others"""
        if rows_[1].start == 0:
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
        xhat = self.xhat if self.affine else self.y
        for of in self._ghosts():
            dy_, xhat_ = self._rows(dy, of), self._rows(xhat, of)
            ops.sum_batch(dy_, out=of.pick(self.sum_dy))
            for rows_, work in self._blocks(of, dy_.shape[-2]):
                ops.multiply(dy_[rows_], xhat_[rows_], out=work)
                self._add_sum(ops, of, rows_, work, out=of.pick(self.sum_dy_xhat))
        if self.affine:
            used = slice(0, of.first + of.count)
            ops.sum(self.sum_dy[..., used, :, :], -3, out=self.dbeta)
            ops.sum(self.sum_dy_xhat[..., used, :, :], -3, out=self.dgamma)
        if self.dx is not None:
            for of in self._ghosts():
                self._input_gradient(ops, of, dy, xhat, self.dx)
        return self.dx

    def _input_gradient(self, ops: Ops, of: _Ghosts, dy: Array, xhat: Array, dx: Array) -> None:
        dy_, xhat_, dx_ = self._rows(dy, of), self._rows(xhat, of), self._rows(dx, of)
        n = dy_.shape[-2]
        sum_dy, sum_dy_xhat, scale = of.pick(self.sum_dy), of.pick(self.sum_dy_xhat), of.pick(self.inv)
        ops.multiply(sum_dy, 1 / n, out=sum_dy)
        ops.multiply(sum_dy_xhat, 1 / n, out=sum_dy_xhat)
        if self.affine:
            scale = of.pick(self.var)  # scratch of forward; inv stays what it was
            ops.multiply(of.pick(self.inv), self.gamma[..., None, :, :], out=scale)
        for rows_, work in self._blocks(of, n):
            ops.multiply(xhat_[rows_], sum_dy_xhat, out=work)
            ops.subtract(dy_[rows_], work, out=dx_[rows_])
            ops.subtract(dx_[rows_], sum_dy, out=dx_[rows_])
            ops.multiply(dx_[rows_], scale, out=dx_[rows_])

    # ------------------------------------------------ evaluation

    def infer(self, ops: Ops, x: Array) -> Array:
        """y = x s + t  with  s = γ/√(r_var + ε),  t = β − r_mean s"""
        scale, shift = self.row, self.shift
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
