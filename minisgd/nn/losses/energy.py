"""The loss of a network whose output is an energy: there is no target."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.nn.losses.loss import Loss, LossDeclaration, TargetKind, require_values
from minisgd.typing import Array, Shape


class Energy(Loss):
    """The output itself: ℓ = z, ∂ℓ/∂z = 1.

    z (…, B, 1): the energy of each example, as from `RBM`. Targets are there for their shape alone:
    ``ms.Dataset.from_arrays(x, np.zeros((len(x), 1)))``.
    """

    task = "regression"

    def declare(self, z: Shape, kind: TargetKind) -> LossDeclaration:
        return require_values(self, z, kind)

    def forward(self, ops: Ops, target: Array) -> None:
        ops.sum(self.z, tuple(range(self.losses.ndim - self.z.ndim, 0)), out=self.losses)

    def backward(self, ops: Ops) -> None:
        ops.fill(1.0, out=self.dz)
