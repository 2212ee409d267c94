"""RMSProp: Adagrad that forgets."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from minisgd.backend import Ops
from minisgd.optim.checks import decay_rate, non_negative, positive
from minisgd.optim.learning_rate import LearningRateSchedule
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.vector import add_scaled, average_in, divide_by_root, subtract_scaled


@dataclass
class RMSProp(Optimizer):
    """Divide by the root of a running mean of squared gradients.

    g ← g + λ w                      λ weight_decay
    s ← α s + (1 − α) g²             α alpha
    v ← μ v + g / (√s + ε)           μ momentum
    w ← w − lr v

    Tieleman and Hinton 2012, lecture 6.5.

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        alpha: Decay rate of the mean square, in [0, 1).
        momentum: μ, in [0, 1).
        eps: ε, positive.
        weight_decay: λ; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, alpha or momentum outside [0, 1), eps ≤ 0 or weight_decay < 0.
    """

    lr: float | LearningRateSchedule = 0.01
    _: KW_ONLY
    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.alpha = decay_rate("alpha", self.alpha, "0.99 is customary")
        self.eps = positive("eps", self.eps, "1e-8 is customary")
        self.momentum = decay_rate("momentum", self.momentum, "0.9 is customary, 0 is none")
        self.weight_decay = non_negative("weight_decay", self.weight_decay, "5e-4 is customary, 0 is none")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean_square", "velocity") if self.momentum else ("mean_square",)

    def update(self, ops: Ops, b: UpdateBuffers) -> None:
        w, g, s = b.w, b.g, b.slots["mean_square"]
        if self.weight_decay:
            add_scaled(ops, g, self.weight_decay, w, scratch=b.scratch)
        ops.square(g, out=b.scratch)
        average_in(ops, s, self.alpha, b.scratch, scratch=b.scratch)
        divide_by_root(ops, g, s, self.eps, scratch=b.scratch, out=g)
        direction = g
        if self.momentum:
            direction = b.slots["velocity"]
            ops.multiply(direction, self.momentum, out=direction)
            ops.add(direction, g, out=direction)
        subtract_scaled(ops, w, b.lr, direction, scratch=b.scratch)
