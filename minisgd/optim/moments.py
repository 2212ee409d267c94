"""What Adam, AdamW and LAMB share: two moments of the gradient and the correction of their zero start."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from minisgd.backend import Ops
from minisgd.optim.checks import decay_rates, non_negative, positive
from minisgd.optim.learning_rate import LearningRateSchedule
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.vector import average_in, divide_by_root


@dataclass
class MomentOptimizer(Optimizer):
    """Keep running averages of g and g².

    m ← β₁ m + (1 − β₁) g        m̂ = m / (1 − β₁ᵗ)
    v ← β₂ v + (1 − β₂) g²       v̂ = v / (1 − β₂ᵗ)

    The corrections go into two numbers a step instead of two vectors (Kingma and Ba 2015, end of section 2):
    m̂ / (√v̂ + ε) = correction · m / (√v + ε̂),  correction = √(1 − β₂ᵗ) / (1 − β₁ᵗ),  ε̂ = ε √(1 − β₂ᵗ).
    """

    lr: float | LearningRateSchedule = 1e-3
    _: KW_ONLY
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0

    rates: ClassVar[tuple[str, ...]] = ("correction", "eps")
    clocks: ClassVar[tuple[str, ...]] = ("t", "power1", "power2")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.betas = decay_rates("betas", self.betas, "(0.9, 0.999) is customary")
        self.eps = positive("eps", self.eps, "1e-8 is customary")
        self.weight_decay = non_negative("weight_decay", self.weight_decay, "0.01 is customary, 0 is none")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("m", "v")

    def prepare(self, ops: Ops, b: UpdateBuffers) -> None:
        correct_bias(ops, b, self.betas, self.eps)

    def average(self, ops: Ops, b: UpdateBuffers) -> None:
        """m ← β₁ m + (1 − β₁) g    v ← β₂ v + (1 − β₂) g²"""
        average_in(ops, b.slots["m"], self.betas[0], b.g, scratch=b.scratch)
        ops.square(b.g, out=b.scratch)
        average_in(ops, b.slots["v"], self.betas[1], b.scratch, scratch=b.scratch)

    def ratio(self, ops: Ops, b: UpdateBuffers) -> None:
        """scratch ← m / (√v + ε̂)"""
        divide_by_root(ops, b.slots["m"], b.slots["v"], b.rates["eps"], scratch=b.scratch, out=b.scratch)


def correct_bias(ops: Ops, b: UpdateBuffers, betas: tuple[float, float], eps: float) -> None:
    """t ← t + 1    correction = √(1 − β₂ᵗ) / (1 − β₁ᵗ)    ε̂ = ε √(1 − β₂ᵗ),  in float64, then in the dtype of w"""
    t, one, two = (b.clocks[name] for name in MomentOptimizer.clocks)
    ops.add(t, 1.0, out=t)
    ops.power(betas[0], t, out=one)
    ops.subtract(1.0, one, out=one)
    ops.power(betas[1], t, out=two)
    ops.subtract(1.0, two, out=two)
    ops.sqrt(two, out=two)
    ops.divide(two, one, out=one)
    ops.copy(one, out=b.rates["correction"])
    ops.multiply(two, eps, out=two)
    ops.copy(two, out=b.rates["eps"])
