"""Stochastic gradient descent, with momentum, Nesterov's included."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from minisgd.backend import Ops
from minisgd.errors import ArgumentError, DtypeError
from minisgd.optim.checks import decay_rate, non_negative
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.vector import add_scaled, subtract_scaled


@dataclass
class SGD(Optimizer):
    """Step against the gradient, or against its decaying sum.

    g ← g + λ w        λ weight_decay
    v ← μ v + g        μ momentum
    w ← w − lr v       nesterov: w ← w − lr (g + μ v)

    Robbins and Monro 1951; Polyak 1964; Nesterov 1983 in the form of Sutskever et al. 2013, with the learning
    rate outside the velocity, as PyTorch has it.

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        momentum: μ, in [0, 1).
        nesterov: Whether to look ahead by the velocity; needs momentum.
        weight_decay: λ; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, momentum outside [0, 1), weight_decay < 0, or nesterov without momentum.
    """

    _: KW_ONLY
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    by_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = decay_rate("momentum", self.momentum, "0.9 is customary, 0 is none")
        self.weight_decay = non_negative("weight_decay", self.weight_decay, "5e-4 is customary, 0 is none")
        if not isinstance(self.nesterov, bool):
            raise DtypeError("nesterov", expected="True or False", got=self.nesterov, fix="use nesterov=True")
        if self.nesterov and self.momentum == 0:
            raise ArgumentError("nesterov", expected="False without momentum", got=True, fix="set momentum=0.9 too")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def update(self, ops: Ops, b: UpdateBuffers) -> None:
        w, direction = b.w, b.g
        if self.weight_decay:
            add_scaled(ops, b.g, self.weight_decay, w, scratch=b.scratch)
        if self.momentum:
            v = b.slots["velocity"]
            ops.multiply(v, self.momentum, out=v)
            ops.add(v, b.g, out=v)
            if self.nesterov:
                add_scaled(ops, b.g, self.momentum, v, scratch=b.scratch)
            else:
                direction = v
        subtract_scaled(ops, w, b.lr, direction, scratch=b.scratch)
