"""signSGD: steps of length lr in every coordinate, whatever the size of its gradient."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from minisgd.backend import Ops
from minisgd.optim.checks import decay_rate, non_negative
from minisgd.optim.learning_rate import LearningRateSchedule
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.vector import average_in, shrink_factor, subtract_scaled
from minisgd.typing import Array


@dataclass
class SignSGD(Optimizer):
    """Step against the sign of the gradient, or of its running average.

    m ← μ m + (1 − μ) g                   μ momentum
    w ← (1 − lr λ) w − lr sign(m)         λ weight_decay; sign(0) = 0

    Bernstein et al. 2018, algorithm 1, and with momentum algorithm 2 (Signum).

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        momentum: μ, in [0, 1).
        weight_decay: λ; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, momentum outside [0, 1) or weight_decay < 0.
    """

    lr: float | LearningRateSchedule = 1e-3
    _: KW_ONLY
    momentum: float = 0.0
    weight_decay: float = 0.0

    rates: ClassVar[tuple[str, ...]] = ("keep",)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = decay_rate("momentum", self.momentum, "0.9 is customary, 0 is none")
        self.weight_decay = non_negative("weight_decay", self.weight_decay, "0.1 is customary, 0 is none")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("m",) if self.momentum else ()

    def prepare(self, ops: Ops, b: UpdateBuffers) -> None:
        shrink_factor(ops, b.lr, self.weight_decay, out=b.rates["keep"])

    def update(self, ops: Ops, b: UpdateBuffers) -> None:
        direction = b.g
        if self.momentum:
            direction = b.slots["m"]
            average_in(ops, direction, self.momentum, b.g, scratch=b.scratch)
        step_along_sign(ops, b, direction, sign=b.scratch)


def step_along_sign(ops: Ops, b: UpdateBuffers, direction: Array, *, sign: Array) -> None:
    """w ← keep · w − lr sign(direction)

    sign: where the signs go, another place than the direction: in place NumPy branches at every element, which costs
    eight times as much
    """
    ops.multiply(b.w, b.rates["keep"], out=b.w)
    ops.sign(direction, out=sign)
    subtract_scaled(ops, b.w, b.lr, sign, scratch=b.scratch)
