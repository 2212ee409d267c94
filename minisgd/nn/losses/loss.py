"""What a loss is: a number for every example, their mean, and the mean's gradient with respect to the prediction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from minisgd.backend import Ops, Request
from minisgd.errors import ShapeError
from minisgd.nn.declaration import Buffer
from minisgd.nn.layer import shape_text
from minisgd.nn.lending import Borrower
from minisgd.typing import Array, Shape

TargetKind: TypeAlias = Literal["labels", "values"]
"""labels: one integer class per example, (…, B); values: one number per output, (…, B, O)."""


@dataclass(frozen=True)
class LossDeclaration:
    """The arrays of a loss for a prediction of shape (B, O), beside z, dz, losses and value.

    Attributes:
        target: Shape of the targets of a batch.
        target_dtype: Their dtype; None is that of the network.
        buffers: Further arrays by the name of the attribute that holds them.
    """

    target: Shape
    target_dtype: str | None = None
    buffers: dict[str, Buffer] = field(default_factory=dict)


class Loss(Borrower):
    """Mean loss of a batch: L = 1/B Σ_i w_i ℓ(z_i, t_i), with example weights w_i (1 if none are given).

    z (…, B, O) prediction   dz like z   losses (…, B)   value (…)   weight (…, B) or None

    The mean divides by the number of examples, not by the sum of weights: then the gradient of a batch is
    the mean of the gradients of its parts, whatever their weights.
    """

    z: Array
    dz: Array
    losses: Array
    value: Array
    weight: Array | None
    lead: Shape = ()

    task: Literal["classification", "regression"]

    def declare(self, z: Shape, kind: TargetKind) -> LossDeclaration:
        """Return the arrays needed for predictions (B, O) and the target's shape; refuse what does not fit.

        Args:
            z: The shape of the prediction, (B, *output).
            kind: Whether targets are integer labels (B) or values like z.

        Returns:
            The arrays of the loss, and the shape of its target.

        Raises:
            ShapeError: If the loss cannot take such a prediction or target.
        """
        raise NotImplementedError

    def forward(self, ops: Ops, target: Array) -> None:
        """Write the loss of every example to ``losses``, before weights.

        Args:
            ops: The operations of the device.
            target: Labels (…, B) or values (…, B, *output).
        """
        raise NotImplementedError

    def backward(self, ops: Ops) -> None:
        """Write ∂ℓ_i/∂z_i to ``dz``, before weights and the division by B.

        Args:
            ops: The operations of the device.
        """
        raise NotImplementedError

    def check_target(self, labels_or_values: Array) -> None:
        """Refuse targets outside the domain of the loss; called once with the whole data set's targets.

        Args:
            labels_or_values: The targets of all N examples, (N) or (N, *output).

        Raises:
            DataError: If a target is outside the domain.
        """

    # ------------------------------------------------ accuracy, for losses that have one

    has_hits = False
    """True if an example can be right or wrong."""
    hit: Array

    def hit_requests(self, z: Shape, kind: TargetKind) -> dict[str, Request]:
        """Return the arrays that ``hits`` needs, by attribute; none where no example can be right or wrong.

        Args:
            z: The shape of the prediction, (B, *output).
            kind: Whether targets are labels or values.
        """
        return {}

    def hits(self, ops: Ops, target: Array) -> None:
        """Write to ``hit`` (…, B) the share of an example's outputs that are right.

        Args:
            ops: The operations of the device.
            target: Labels (…, B) or values (…, B, *output).
        """
        raise NotImplementedError

    # ------------------------------------------------ the same for every loss

    def total(self, ops: Ops, target: Array) -> None:
        """value = Σ w_i ℓ_i

        Args:
            ops: The operations of the device.
            target: Labels (…, B) or values (…, B, *output).
        """
        ops.method(self, "weighted")(ops, target)
        ops.sum(self.losses, -1, out=self.value)

    def accumulate(self, ops: Ops, target: Array, into: Array) -> None:
        """value = Σ w_i ℓ_i    into += value

        Args:
            ops: The operations of the device.
            target: Labels (…, B) or values (…, B, *output).
            into: The sum over batches (…), float64.
        """
        self.total(ops, target)
        ops.add(into, self.value, out=into)

    def weighted(self, ops: Ops, target: Array) -> None:
        """losses = w_i ℓ_i

        Args:
            ops: The operations of the device.
            target: Labels (…, B) or values (…, B, *output).
        """
        self.forward(ops, target)
        if self.weight is not None:
            ops.multiply(self.losses, self.weight, out=self.losses)

    def mean(self, ops: Ops, target: Array) -> None:
        """value = 1/B Σ w_i ℓ_i

        Args:
            ops: The operations of the device.
            target: Labels (…, B) or values (…, B, *output).
        """
        self.total(ops, target)
        ops.multiply(self.value, 1 / self.losses.shape[-1], out=self.value)

    def gradient(self, ops: Ops) -> Array:
        """Return dz (like z) = w_i/B ∂ℓ_i/∂z_i, after ``total`` and once.

        Args:
            ops: The operations of the device.
        """
        ops.method(self, "weighted_gradient")(ops)
        return self.dz

    def weighted_gradient(self, ops: Ops) -> None:
        """dz = w_i/B ∂ℓ_i/∂z_i

        Args:
            ops: The operations of the device.
        """
        self.backward(ops)
        ops.multiply(self.dz, 1 / self.dz.shape[len(self.lead)], out=self.dz)
        if self.weight is not None:
            weight = self.weight.reshape(*self.weight.shape, *[1] * (self.dz.ndim - self.weight.ndim))
            ops.multiply(self.dz, weight, out=self.dz)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def require_values(loss: Loss, z: Shape, kind: TargetKind, **buffers: Buffer) -> LossDeclaration:
    """Return the declaration of a loss whose target has the shape of the prediction."""
    if kind != "values":
        got, fix = "integer class labels (B)", "use SoftmaxCrossEntropy for classes, or convert the targets to float"
        raise ShapeError(f"{type(loss).__name__}: target", expected=f"float values {shape_text(z)}", got=got, fix=fix)
    return LossDeclaration(z, None, buffers)


def hit_arrays(**arrays: tuple[Shape, str]) -> dict[str, Request]:
    """Return requests for arrays of a shape and a dtype, by the attribute that holds them."""
    return {name: Request(f"hits.{name}", shape, dtype, "workspaces") for name, (shape, dtype) in arrays.items()}
