"""Batch normalisation, over the whole batch or over ghost batches."""

from __future__ import annotations

from dataclasses import replace

from minisgd.backend import Ops
from minisgd.checks import positive, require_flag, within
from minisgd.nn.declaration import Buffer, Declaration
from minisgd.nn.layer import Layer
from minisgd.nn.layers.frozen import FrozenBatchNorm
from minisgd.nn.layers.ghost_batches import each_ghost, ghost_batches
from minisgd.nn.layers.normalise import inverse_std, scale_and_shift
from minisgd.nn.shapes import rows
from minisgd.typing import Array, Shape


class BatchNorm(Layer):
    """Batch normalisation: x̂ = (x − μ) / √(σ² + ε), y = γ x̂ + β  (Ioffe and Szegedy 2015, algorithm 1).

    x (…, B, C) or (…, B, H, W, C); μ and σ² over everything but C, σ² with denominator n. Evaluation takes running
    averages r of μ and of σ² (with denominator n − 1), which must not lag where updates are few: r ← (1 − η) r + η s,
    its bias towards the initial value corrected, and by examples instead of updates, η = 1 − 0.9^max(1, B/32).

    Args:
        momentum: A constant η without the correction, in [0, 1]: PyTorch's rule, whose default is 0.1.
        eps: ε, positive.
        affine: Whether γ and β are learned; without them y = x̂.
        ghost: Normalise each run of that many examples apart (Hoffer et al. 2017, algorithm 1); the running averages
            take in one after the other. What is left over at the end is a smaller ghost batch, or joins the one
            before it where it would be a single value per channel. Evaluation ignores the ghost size.
        name: Of the layer.

    Raises:
        ArgumentError: If a number is outside its interval.
    """

    couples_batch = True

    gamma: Array
    dgamma: Array
    beta: Array
    dbeta: Array
    running_mean: Array
    running_var: Array
    running_weight: Array
    xhat: Array
    work: Array
    mean: Array
    inv: Array
    sum_dy: Array
    sum_dy_xhat: Array
    weight: Array
    row: Array

    def __init__(
        self,
        *,
        momentum: float | None = None,
        eps: float = 1e-5,
        affine: bool = True,
        ghost: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        fix = "leave it out, or give PyTorch's 0.1"
        self.momentum = None if momentum is None else within("[0, 1]", momentum, f"{self.label}: momentum", fix)
        self.eps = within("(0, inf)", eps, f"{self.label}: eps", "1e-5 is customary")
        self.affine = require_flag(affine, f"{self.label}: affine")
        self.ghost = None if ghost is None else positive(ghost, f"{self.label}: ghost")
        self.order_matters = ghost is not None

    def declare(self, x: Shape) -> Declaration:
        """Ask for x̂, and for the statistics of each of G ghost batches, (G, 1, C)."""
        if len(x) not in (2, 4):
            self.require_rank(x, 2, "(B, features) or (B, H, W, C)", "flatten or add a channel axis first")
        ghosts, c = -(-x[0] // (self.ghost or x[0])), x[-1]
        row = Buffer((1, c), life="scratch")
        buffers = {"xhat": Buffer(x, over="x", inference=False), "row": row, "weight": replace(row, inference=False)}
        for name in ("mean", "inv", "sum_dy", "sum_dy_xhat"):
            buffers[name] = Buffer((ghosts, 1, c), inference=False)
        buffers["work"] = Buffer(x, life="scratch", inference=False)
        return replace(self.frozen().declare(x), buffers=buffers, y_over_x=False, infer="over x")

    def forward(self, ops: Ops, x: Array) -> Array:
        """μ = mean(x)    σ² = mean((x − μ)²)    x̂ = (x − μ)/√(σ² + ε)    y = γ x̂ + β"""
        for g, n, x_, xhat, work, y in each_ghost(self, x, self.xhat, self.work, self.y):  # (…, n, C)
            mean, inv = self.mean[g], self.inv[g]  # (…, 1, C)
            self._mean(ops, x_, out=mean)
            ops.subtract(x_, mean, out=xhat)
            ops.square(xhat, out=work)
            self._mean(ops, work, out=inv)  # σ²
            self.update_running(ops, mean, inv, n)
            inverse_std(ops, inv, self.eps, out=inv)
            ops.multiply(xhat, inv, out=xhat)
            scale_and_shift(self, ops, xhat, y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dγ = Σ dy x̂    dβ = Σ dy    dx = γ/√(σ²+ε) · (dy − mean(dy) − x̂ mean(dy x̂))"""
        for g, _, dy_, xhat, work in each_ghost(self, dy, self.xhat, self.work):
            ops.sum_batch(dy_, out=self.sum_dy[g])
            ops.multiply(dy_, xhat, out=work)
            ops.sum_batch(work, out=self.sum_dy_xhat[g])
        if self.affine:
            used = (..., slice(len(ghost_batches(self))), slice(None), slice(None))
            ops.sum(self.sum_dy[used], -3, out=self.dbeta)
            ops.sum(self.sum_dy_xhat[used], -3, out=self.dgamma)
        if self.dx is None:
            return None
        self._average(ops, self.sum_dy, self.sum_dy_xhat)
        for g, n, dy_, xhat, work, dx in each_ghost(self, dy, self.xhat, self.work, self.dx):
            ops.multiply(xhat, self.sum_dy_xhat[g], out=work)
            ops.add(work, self.sum_dy[g], out=work)
            ops.multiply(work, 1 / n, out=work)
            ops.subtract(dy_, work, out=dx)
            ops.multiply(dx, self.inv[g], out=dx)
            if self.affine:
                ops.multiply(dx, self.gamma, out=dx)
        return self.dx

    def _mean(self, ops: Ops, x: Array, *, out: Array) -> None:
        """out (…, 1, C) = the mean of x (…, n, C) over the batch"""
        ops.sum_batch(x, out=out)
        ops.multiply(out, 1 / x.shape[-2], out=out)
        self._average(ops, out)

    def _average(self, ops: Ops, *statistics: Array) -> None:
        """Take the mean over all parts of the batch: here there is one, in SyncBatchNorm one a shard."""

    # ------------------------------------------------ running averages, and evaluation

    def update_running(self, ops: Ops, mean: Array, var: Array, n: int) -> None:
        """r ← ((1 − η) w r + η s) / w′    w ← w′ = (1 − η) w + η    w = 0 at first, or 1, and then it stays 1

        Args:
            ops: The operations of the device.
            mean: Of the batch, (…, 1, C): one of the statistics s.
            var: The other, (…, 1, C), with denominator n.
            n: Values per channel.
        """
        eta, w, row = self.averaging_rate, self.weight, self.row
        averages = (self.running_mean, mean, eta), (self.running_var, var, eta * n / (n - 1))
        ops.multiply(self.running_weight, 1 - eta, out=w)
        for r, s, factor in averages:
            ops.multiply(r, w, out=r)
            ops.multiply(s, factor, out=row)
            ops.add(r, row, out=r)
        ops.add(w, eta, out=w)
        for r, _, _ in averages:
            ops.divide(r, w, out=r)
        ops.copy(w, out=self.running_weight)

    @property
    def averaging_rate(self) -> float:
        """η: 1 − 0.9^(n/32) for n examples that are normalised together, and 0.1 at least; or the momentum."""
        n = min(self.ghost or self.batch, self.batch)
        return 1 - 0.9 ** max(1.0, n / 32) if self.momentum is None else self.momentum

    @property
    def batch(self) -> int:
        """B: the examples of a batch."""
        return int(self.y.shape[len(self.lead)])

    def infer(self, ops: Ops, x: Array) -> Array:
        """x̂ = (x − r_mean)/√(r_var + ε)    y = γ x̂ + β"""
        y = rows(self.y, self.lead)
        ops.add(self.running_var, self.eps, out=self.row)
        ops.sqrt(self.row, out=self.row)
        ops.subtract(rows(x, self.lead), self.running_mean, out=y)
        ops.divide(y, self.row, out=y)
        scale_and_shift(self, ops, y, y)
        return self.y

    def frozen(self) -> FrozenBatchNorm:
        """Return the layer that normalises by the running averages."""
        return FrozenBatchNorm(eps=self.eps, affine=self.affine, momentum=self.momentum, name=self.name)
