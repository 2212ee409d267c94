"""Adagrad: a learning rate of its own for every coordinate, falling with the gradients it has seen."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from minisgd.backend import Ops
from minisgd.optim.checks import non_negative, positive
from minisgd.optim.learning_rate import LearningRateSchedule
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.vector import add_scaled, divide_by_root, subtract_scaled


@dataclass
class Adagrad(Optimizer):
    """Divide by the root of the sum of all squared gradients.

    g ← g + λ w                λ weight_decay
    s ← s + g²
    w ← w − lr g / (√s + ε)

    Duchi, Hazan and Singer 2011, figure 1 with diagonal matrices.

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        eps: ε, positive.
        weight_decay: λ; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, eps ≤ 0 or weight_decay < 0.
    """

    lr: float | LearningRateSchedule = 0.01
    _: KW_ONLY
    eps: float = 1e-10
    weight_decay: float = 0.0

    by_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.eps = positive("eps", self.eps, "1e-10 is customary")
        self.weight_decay = non_negative("weight_decay", self.weight_decay, "5e-4 is customary, 0 is none")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("sum_of_squares",)

    def update(self, ops: Ops, b: UpdateBuffers) -> None:
        w, g, s = b.w, b.g, b.slots["sum_of_squares"]
        if self.weight_decay:
            add_scaled(ops, g, self.weight_decay, w, scratch=b.scratch)
        ops.square(g, out=b.scratch)
        ops.add(s, b.scratch, out=s)
        divide_by_root(ops, g, s, self.eps, scratch=b.scratch, out=g)
        subtract_scaled(ops, w, b.lr, g, scratch=b.scratch)
