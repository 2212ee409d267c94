"""Batch normalisation, over the whole batch or over ghost batches."""

from __future__ import annotations

from collections.abc import Iterator

from minisgd.backend import Ops
from minisgd.nn.initializers import Ones, Zeros
from minisgd.nn.layer import Buffer, Declaration, Layer, Parameter, Statistic, positive, within
from minisgd.nn.layers.frozen import FrozenBatchNorm
from minisgd.nn.layers.ghost_batches import ghost_batches
from minisgd.nn.shapes import rows
from minisgd.typing import Array, Shape


class BatchNorm(Layer):
    """Batch normalisation: x̂ = (x − μ) / √(σ² + ε), y = γ x̂ + β  (Ioffe and Szegedy 2015, algorithm 1).

    x (…, B, C) or (…, B, H, W, C); μ and σ² over everything but C (σ² with denominator n). Evaluation uses
    running statistics: r ← (1 − η) r + η s, η = momentum, the variance with denominator n − 1.

    Args:
        momentum: η, in [0, 1].
        eps: ε, positive.
        affine: Whether γ and β are learned; without them y = x̂.
        ghost: Normalise each run of that many examples apart (Hoffer et al. 2017, algorithm 1); the running
            statistics then take in the ghost batches one after the other. What is left over at the end of a batch
            forms a smaller ghost batch, or joins the one before it where it would be a single value per channel.
            Evaluation ignores the ghost size.
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
    xhat: Array
    work: Array
    mean: Array
    inv: Array
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
        """True with ghost batches: examples that follow one another are normalised together."""
        return self.ghost is not None

    def declare(self, x: Shape) -> Declaration:
        """Ask for x̂ and for the statistics of each ghost batch, (G, 1, C)."""
        if len(x) not in (2, 4):
            self.require_rank(x, 2, "(B, features) or (B, H, W, C)", "flatten or add a channel axis first")
        c, ghosts = x[-1], -(-x[0] // (self.ghost or x[0]))
        parameters = {}
        if self.affine:
            parameters = {"gamma": Parameter((c,), Ones(), "norm"), "beta": Parameter((c,), Zeros(), "norm")}
        buffers = {"xhat": Buffer(x, over="x", inference=False)}
        for name in ("mean", "inv", "sum_dy", "sum_dy_xhat"):
            buffers[name] = Buffer((ghosts, 1, c), inference=False)
        return Declaration(
            y=x,
            parameters=parameters,
            statistics={"running_mean": Statistic((c,)), "running_var": Statistic((c,), Ones())},
            buffers=buffers
            | {"work": Buffer(x, life="scratch", inference=False), "row": Buffer((1, c), life="scratch")},
            infer="over x",
            dx_over_dy=True,
        )

    def forward(self, ops: Ops, x: Array) -> Array:
        """μ = mean(x)    σ² = mean((x − μ)²)    x̂ = (x − μ)/√(σ² + ε)    y = γ x̂ + β"""
        for g, (x_, xhat, work, y) in self.each_ghost(x, self.xhat, self.work, self.y):  # (…, n, C)
            n, mean, inv = x_.shape[-2], self.mean[..., g, :, :], self.inv[..., g, :, :]
            ops.sum_batch(x_, out=mean)
            ops.multiply(mean, 1 / n, out=mean)
            ops.subtract(x_, mean, out=xhat)
            ops.square(xhat, out=work)
            ops.sum_batch(work, out=inv)
            ops.multiply(inv, 1 / n, out=inv)  # σ²
            self.update_running(ops, mean, 1.0, self.running_mean)
            self.update_running(ops, inv, n / (n - 1), self.running_var)
            ops.add(inv, self.eps, out=inv)
            ops.sqrt(inv, out=inv)
            ops.divide(1.0, inv, out=inv)
            ops.multiply(xhat, inv, out=xhat)
            self._scale_and_shift(ops, xhat, y)
        return self.y

    def update_running(self, ops: Ops, value: Array, factor: float, running: Array) -> None:
        """running ← (1 − η) running + η · factor · value

        Args:
            ops: The operations of the device.
            value: A batch's statistic, (…, 1, C).
            factor: What it is multiplied with: n/(n − 1) for a variance.
            running: The running statistic, (…, 1, C).
        """
        ops.multiply(running, 1 - self.momentum, out=running)
        ops.multiply(value, self.momentum * factor, out=self.row)
        ops.add(running, self.row, out=running)

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dγ = Σ dy x̂    dβ = Σ dy    dx = γ/√(σ²+ε) · (dy − mean(dy) − x̂ mean(dy x̂))"""
        for g, (dy_, xhat, work) in self.each_ghost(dy, self.xhat, self.work):
            ops.multiply(dy_, xhat, out=work)
            ops.sum_batch(work, out=self.sum_dy_xhat[..., g, :, :])
            ops.sum_batch(dy_, out=self.sum_dy[..., g, :, :])
        if self.affine:
            used = slice(0, g + 1)
            ops.sum(self.sum_dy[..., used, :, :], -3, out=self.dbeta)
            ops.sum(self.sum_dy_xhat[..., used, :, :], -3, out=self.dgamma)
        if self.dx is None:
            return None
        for g, (dy_, xhat, work, dx) in self.each_ghost(dy, self.xhat, self.work, self.dx):
            ops.multiply(xhat, self.sum_dy_xhat[..., g, :, :], out=work)
            ops.add(work, self.sum_dy[..., g, :, :], out=work)
            ops.multiply(work, 1 / dy_.shape[-2], out=work)
            ops.subtract(dy_, work, out=dx)
            ops.multiply(dx, self.inv[..., g, :, :], out=dx)
            if self.affine:
                ops.multiply(dx, self.gamma, out=dx)
        return self.dx

    def infer(self, ops: Ops, x: Array) -> Array:
        """x̂ = (x − r_mean)/√(r_var + ε)    y = γ x̂ + β"""
        inv, y = self.row, rows(self.y, self.lead)
        ops.add(self.running_var, self.eps, out=inv)
        ops.sqrt(inv, out=inv)
        ops.subtract(rows(x, self.lead), self.running_mean, out=y)
        ops.divide(y, inv, out=y)
        self._scale_and_shift(ops, y, y)
        return self.y

    def _scale_and_shift(self, ops: Ops, xhat: Array, y: Array) -> None:
        """y = γ x̂ + β"""
        if self.affine:
            ops.multiply(xhat, self.gamma, out=y)
            ops.add(y, self.beta, out=y)
        elif y is not xhat:
            ops.copy(xhat, out=y)

    def frozen(self) -> FrozenBatchNorm:
        """Return the layer that normalises by the running statistics."""
        return FrozenBatchNorm(eps=self.eps, affine=self.affine, name=self.name)

    def ghost_batches(self) -> list[slice]:
        """Return which examples of the batch are normalised together; refuse a single value per channel."""
        batch, *image = self.y.shape[len(self.lead) : -1]
        return ghost_batches(batch, image[0] * image[1] if image else 1, self.ghost, self.label)

    def each_ghost(self, *arrays: Array) -> Iterator[tuple[int, list[Array]]]:
        """Yield the number of each ghost batch and its part of the arrays, as matrices (…, n, C).

        Args:
            arrays: Of the batch, (…, B, C) or (…, B, H, W, C).
        """
        for g, examples in enumerate(self.ghost_batches()):
            part = (*[slice(None)] * len(self.lead), examples)
            yield g, [rows(a[part], self.lead) for a in arrays]

    def settings(self) -> str:
        return self.options(momentum=0.1, eps=1e-5, affine=True, ghost=None)
