"""LARS: momentum whose step in every tensor is in proportion to its weights, for very large batches."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from minisgd.backend import Ops
from minisgd.optim.checks import decay_rate, non_negative, positive
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.trust import TRUST_RATES, set_rate
from minisgd.optim.vector import add_scaled


@dataclass
class LARS(Optimizer):
    """Give every tensor the rate that moves it by a set share of its norm.

    λ = η |w| / (|g| + β |w|)            η trust, β weight_decay; norms over one tensor
    v ← μ v + lr λ (g + β w)             μ momentum
    w ← w − v

    λ = 1 for biases and normalisation scales, and where |w| or |g| is 0.
    You, Gitman and Ginsburg 2017, algorithm 1: the learning rate is inside the velocity.

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        momentum: μ, in [0, 1).
        trust: η, positive.
        weight_decay: λ; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, momentum outside [0, 1), trust ≤ 0 or weight_decay < 0.
    """

    _: KW_ONLY
    momentum: float = 0.9
    trust: float = 0.001
    weight_decay: float = 0.0

    rates: ClassVar[tuple[str, ...]] = TRUST_RATES

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = decay_rate("momentum", self.momentum, "0.9 is customary, 0 is none")
        self.trust = positive("trust", self.trust, "0.001 is customary")
        self.weight_decay = non_negative("weight_decay", self.weight_decay, "5e-4 is customary, 0 is none")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def sweep(self, ops: Ops, b: UpdateBuffers) -> None:
        for segment in b.layout:
            tensor = b.part(segment.offset, segment.stop)
            set_rate(ops, tensor, segment, eta=self.trust, beta=self.weight_decay)
            for chunk in tensor.chunks():
                self.update(ops, chunk)

    def update(self, ops: Ops, b: UpdateBuffers) -> None:
        direction = b.g
        if self.weight_decay:
            add_scaled(ops, b.g, self.weight_decay, b.w, scratch=b.scratch)
        ops.multiply(b.g, b.rates["rate"], out=b.g)
        if self.momentum:
            direction = b.slots["velocity"]
            ops.multiply(direction, self.momentum, out=direction)
            ops.add(direction, b.g, out=direction)
        ops.subtract(b.w, direction, out=b.w)
