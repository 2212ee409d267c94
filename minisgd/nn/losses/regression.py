"""Losses of regression."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.checks import within
from minisgd.nn.declaration import Buffer
from minisgd.nn.losses.cross_entropy import mean_over_outputs, outputs
from minisgd.nn.losses.loss import Loss, LossDeclaration, TargetKind, require_values
from minisgd.typing import Array, Shape


class RegressionLoss(Loss):
    """A loss of the residual r = z − t, averaged over the outputs of an example.

    z, target (…, B, O)
    """

    task = "regression"

    work: Array

    def declare(self, z: Shape, kind: TargetKind) -> LossDeclaration:
        return require_values(self, z, kind, work=Buffer(z, life="scratch"))

    def forward(self, ops: Ops, target: Array) -> None:
        ops.subtract(self.z, target, out=self.dz)
        self.penalty(ops, self.dz, self.work)
        mean_over_outputs(ops, self.work, self.losses)

    def backward(self, ops: Ops) -> None:
        self.slope(ops, self.dz)
        ops.multiply(self.dz, 1 / outputs(self.dz, self.losses), out=self.dz)

    def penalty(self, ops: Ops, r: Array, out: Array) -> None:
        """out = ρ(r)

        Args:
            ops: The operations of the device.
            r: Residuals z − t, (…, B, O).
            out: Like r.
        """
        raise NotImplementedError

    def slope(self, ops: Ops, r: Array) -> None:
        """r ← ρ′(r)

        Args:
            ops: The operations of the device.
            r: Residuals z − t, (…, B, O), overwritten.
        """
        raise NotImplementedError


class MeanSquaredError(RegressionLoss):
    """Mean squared error: ρ(r) = r², ρ′(r) = 2 r."""

    def penalty(self, ops: Ops, r: Array, out: Array) -> None:
        ops.square(r, out=out)

    def slope(self, ops: Ops, r: Array) -> None:
        ops.multiply(r, 2.0, out=r)


class L1(RegressionLoss):
    """Mean absolute error: ρ(r) = |r|, ρ′(r) = sign r."""

    def penalty(self, ops: Ops, r: Array, out: Array) -> None:
        ops.absolute(r, out=out)

    def slope(self, ops: Ops, r: Array) -> None:
        ops.copy(r, out=self.work)  # in place NumPy branches at every sign, which costs eight times as much
        ops.sign(self.work, out=r)


class Huber(RegressionLoss):
    """Huber loss: ρ(r) = ½ r² where |r| ≤ δ, else δ (|r| − ½ δ);  ρ′(r) = r held to [−δ, δ].

    With c = min(|r|, δ) both branches are c (|r| − ½ c)  (Huber 1964).

    Args:
        delta: δ, positive.

    Raises:
        ArgumentError: If delta is not positive.
    """

    held: Array

    def __init__(self, *, delta: float = 1.0) -> None:
        self.delta = within("(0, inf)", delta, "Huber: delta", "1.0 is customary")

    def declare(self, z: Shape, kind: TargetKind) -> LossDeclaration:
        return require_values(self, z, kind, work=Buffer(z, life="scratch"), held=Buffer(z, life="scratch"))

    def penalty(self, ops: Ops, r: Array, out: Array) -> None:
        ops.absolute(r, out=out)
        ops.minimum(out, self.delta, out=self.held)
        ops.multiply(out, self.held, out=out)
        ops.square(self.held, out=self.held)
        ops.multiply(self.held, 0.5, out=self.held)
        ops.subtract(out, self.held, out=out)

    def slope(self, ops: Ops, r: Array) -> None:
        ops.minimum(r, self.delta, out=r)
        ops.maximum(r, -self.delta, out=r)

    def __repr__(self) -> str:
        return f"Huber(delta={self.delta})"
