"""LAMB: Adam's direction at the length that LARS would allow, for very large batches."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from minisgd.backend import Ops
from minisgd.optim.moments import MomentOptimizer
from minisgd.optim.optimizer import UpdateBuffers
from minisgd.optim.trust import TRUST_RATES, set_rate
from minisgd.optim.vector import add_scaled, subtract_scaled


@dataclass
class LAMB(MomentOptimizer):
    """Step along Adam's direction, plus decay, by a share of each tensor's norm.

    m ← β₁ m + (1 − β₁) g            v ← β₂ v + (1 − β₂) g²
    u = m̂ / (√v̂ + ε) + λ w           m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ),  λ weight_decay
    w ← w − lr |w| / |u| · u         norms over one tensor

    The ratio is 1 for biases and normalisation scales, and where |w| or |u| is 0.
    You et al. 2020, algorithm 2 with φ the identity.

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
    eps: float = 1e-6
    weight_decay: float = 0.01

    rates: ClassVar[tuple[str, ...]] = (*MomentOptimizer.rates, *TRUST_RATES)

    def sweep(self, ops: Ops, b: UpdateBuffers) -> None:
        for segment in b.layout:
            tensor = b.part(segment.offset, segment.stop)
            for chunk in tensor.chunks():
                self.direct(ops, chunk)
            set_rate(ops, tensor, segment)
            for chunk in tensor.chunks():
                self.update(ops, chunk)

    def direct(self, ops: Ops, b: UpdateBuffers) -> None:
        """g ← u = m̂ / (√v̂ + ε) + λ w;  the gradient's place is free once the moments have it

        Args:
            ops: The operations of the device.
            b: The buffers of a tensor.
        """
        self.average(ops, b)
        self.ratio(ops, b)
        ops.multiply(b.scratch, b.rates["correction"], out=b.g)
        if self.weight_decay:
            add_scaled(ops, b.g, self.weight_decay, b.w, scratch=b.scratch)

    def update(self, ops: Ops, b: UpdateBuffers) -> None:
        """w ← w − rate · u"""
        subtract_scaled(ops, b.w, b.rates["rate"], b.g, scratch=b.scratch)
