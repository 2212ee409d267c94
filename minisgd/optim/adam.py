"""Adam: steps of about lr in every coordinate, whatever the scale of its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from minisgd.backend import Ops
from minisgd.optim.moments import MomentOptimizer
from minisgd.optim.optimizer import UpdateBuffers
from minisgd.optim.vector import add_scaled, subtract_scaled


@dataclass
class Adam(MomentOptimizer):
    """Step along the mean gradient over the root of its mean square.

    g ← g + λ w                      λ weight_decay
    m ← β₁ m + (1 − β₁) g            v ← β₂ v + (1 − β₂) g²
    w ← w − lr m̂ / (√v̂ + ε)          m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)

    Kingma and Ba 2015, algorithm 1.

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        betas: β₁ and β₂, in [0, 1).
        eps: ε, positive.
        weight_decay: λ; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, a beta outside [0, 1), eps ≤ 0 or weight_decay < 0.
    """

    rates: ClassVar[tuple[str, ...]] = (*MomentOptimizer.rates, "step")
    by_rows: ClassVar[bool] = True

    def prepare(self, ops: Ops, b: UpdateBuffers) -> None:
        """step = lr · correction"""
        super().prepare(ops, b)
        ops.multiply(b.rates["correction"], b.lr, out=b.rates["step"])

    def update(self, ops: Ops, b: UpdateBuffers) -> None:
        self.decay(ops, b)
        self.average(ops, b)
        self.ratio(ops, b)
        subtract_scaled(ops, b.w, b.rates["step"], b.scratch, scratch=b.scratch)

    def decay(self, ops: Ops, b: UpdateBuffers) -> None:
        """g ← g + λ w

        Args:
            ops: The operations of the device.
            b: The buffers of a chunk.
        """
        if self.weight_decay:
            add_scaled(ops, b.g, self.weight_decay, b.w, scratch=b.scratch)
