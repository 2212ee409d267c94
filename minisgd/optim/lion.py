"""Lion: the sign of a running average that looks further ahead than the average it keeps."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from minisgd.backend import Ops
from minisgd.optim.checks import decay_rates, non_negative
from minisgd.optim.learning_rate import LearningRateSchedule
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.sign_sgd import step_along_sign
from minisgd.optim.vector import average_in, shrink_factor


@dataclass
class Lion(Optimizer):
    """Step along the sign of an average of the gradient, plus decay.

    u = sign(β₁ m + (1 − β₁) g)
    w ← (1 − lr λ) w − lr u               λ weight_decay
    m ← β₂ m + (1 − β₂) g

    Chen et al. 2023, algorithm 2. Learning rates are three to ten times smaller than Adam's, and weight decay as much
    larger (section 5).

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        betas: β₁ and β₂, in [0, 1).
        weight_decay: λ; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, a beta outside [0, 1) or weight_decay < 0.
    """

    lr: float | LearningRateSchedule = 1e-4
    _: KW_ONLY
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0

    rates: ClassVar[tuple[str, ...]] = ("keep",)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.betas = decay_rates("betas", self.betas, "(0.9, 0.99) is customary")
        self.weight_decay = non_negative("weight_decay", self.weight_decay, "0.1 is customary, 0 is none")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("m",)

    def prepare(self, ops: Ops, b: UpdateBuffers) -> None:
        shrink_factor(ops, b.lr, self.weight_decay, out=b.rates["keep"])

    def update(self, ops: Ops, b: UpdateBuffers) -> None:
        m, (beta1, beta2) = b.slots["m"], self.betas
        ops.multiply(m, beta1 / (1 - beta1), out=b.scratch)  # the factor 1 / (1 − β₁) leaves the sign as it is
        ops.add(b.scratch, b.g, out=b.scratch)
        average_in(ops, m, beta2, b.g, scratch=b.g)
        step_along_sign(ops, b, b.scratch, sign=b.g)
