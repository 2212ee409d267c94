"""AdamW: Adam whose weight decay does not pass through the moments."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from minisgd.backend import Ops
from minisgd.optim.adam import Adam
from minisgd.optim.optimizer import UpdateBuffers
from minisgd.optim.vector import shrink_factor


@dataclass
class AdamW(Adam):
    """Shrink the weights, then step as Adam does.

    w ← (1 − lr λ) w                 λ weight_decay
    m ← β₁ m + (1 − β₁) g            v ← β₂ v + (1 − β₂) g²
    w ← w − lr m̂ / (√v̂ + ε)          m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)

    Loshchilov and Hutter 2019, algorithm 2, with the decay multiplied by lr, as PyTorch has it.

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        betas: β₁ and β₂, in [0, 1).
        eps: ε, positive.
        weight_decay: λ; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, a beta outside [0, 1), eps ≤ 0 or weight_decay < 0.
    """

    _: KW_ONLY
    weight_decay: float = 0.01

    rates: ClassVar[tuple[str, ...]] = (*Adam.rates, "keep")

    def prepare(self, ops: Ops, b: UpdateBuffers) -> None:
        """keep = 1 − lr λ"""
        super().prepare(ops, b)
        shrink_factor(ops, b.lr, self.weight_decay, out=b.rates["keep"])

    def decay(self, ops: Ops, b: UpdateBuffers) -> None:
        """w ← (1 − lr λ) w"""
        ops.multiply(b.w, b.rates["keep"], out=b.w)
