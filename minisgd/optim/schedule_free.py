"""Schedule-free optimizers: the weights are a running average of the steps, in place of steps that grow shorter."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from minisgd.backend import Ops
from minisgd.optim.checks import decay_rate, decay_rates, non_negative, positive
from minisgd.optim.learning_rate import LearningRateSchedule
from minisgd.optim.moments import MomentOptimizer, correct_bias
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.vector import add_scaled, average_in, divide_by_root, subtract_scaled


@dataclass
class ScheduleFreeOptimizer(Optimizer):
    """Step z, average its places into x, and take the gradient between the two.

    y = (1 − β) z + β x          the gradient is taken here
    z ← z − lr u                 u: the direction of the optimizer, at y
    x ← (1 − c) x + c z          c = lr² / Σ lr² over all updates so far

    w is x, so that whoever looks at the network between two updates finds the average; of z its distance from x is
    kept, d = z − x, zero at the start. Before a gradient ``interpolate`` moves w to y = x + (1 − β) d.
    """

    _: KW_ONLY
    weight_decay: float = 0.0

    rates: ClassVar[tuple[str, ...]] = ("c", "weight_sum")
    sums: ClassVar[tuple[str, ...]] = ("weight_sum",)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weight_decay = non_negative("weight_decay", self.weight_decay, "0.01 is customary, 0 is none")

    @property
    @abstractmethod
    def beta(self) -> float:
        """β: how near to the average x the gradient is taken."""

    @property
    def slots(self) -> tuple[str, ...]:
        return ("d",)

    def interpolate(self, ops: Ops, b: UpdateBuffers) -> None:
        for chunk in b.chunks():
            add_scaled(ops, chunk.w, 1 - self.beta, chunk.slots["d"], scratch=chunk.scratch)

    def prepare(self, ops: Ops, b: UpdateBuffers) -> None:
        """c = lr² / Σ lr², and 0 until the first lr above 0"""
        c, total = b.rates["c"], b.rates["weight_sum"]
        ops.multiply(b.lr, b.lr, out=c)
        ops.add(total, c, out=total)
        ops.maximum(total, least_weight(total.dtype), out=total)
        ops.divide(c, total, out=c)

    def update(self, ops: Ops, b: UpdateBuffers) -> None:
        self.direct(ops, b)
        d = b.slots["d"]
        subtract_scaled(ops, b.w, 1 - self.beta, d, scratch=b.scratch)  # from y back to x
        subtract_scaled(ops, d, b.lr, b.g, scratch=b.scratch)  # z ← z − lr u
        ops.multiply(d, b.rates["c"], out=b.scratch)
        ops.add(b.w, b.scratch, out=b.w)  # x ← x + c (z − x)
        ops.subtract(d, b.scratch, out=d)

    def direct(self, ops: Ops, b: UpdateBuffers) -> None:
        """g ← u = g + λ y

        Args:
            ops: The operations of the device.
            b: The buffers of a chunk.
        """
        if self.weight_decay:
            add_scaled(ops, b.g, self.weight_decay, b.w, scratch=b.scratch)


@dataclass
class ScheduleFreeSGD(ScheduleFreeOptimizer):
    """SGD whose weights are the average of its steps, so that its learning rate need not decay.

    y = (1 − β) z + β x          β momentum; the gradient g is taken at y
    z ← z − lr (g + λ y)         λ weight_decay
    x ← (1 − c) x + c z          c = lr² / Σ lr² over all updates so far

    The network holds x. Good learning rates are 10 to 50 times those of SGD with a schedule; a warmup suits them
    (``Warmup``), a decay does not. Running statistics of batch normalisation are those of y. Defazio et al. 2024
    (arXiv 2405.15682).

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        momentum: β, in [0, 1): how near to the average the gradient is taken. With 0, x is the average of SGD's places.
        weight_decay: λ; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, momentum outside [0, 1) or weight_decay < 0.
    """

    lr: float | LearningRateSchedule = 1.0
    _: KW_ONLY
    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = decay_rate("momentum", self.momentum, "0.9 is customary")

    @property
    def beta(self) -> float:
        return self.momentum


@dataclass
class ScheduleFreeAdamW(ScheduleFreeOptimizer):
    """AdamW whose weights are the average of its steps, so that its learning rate need not decay.

    y = (1 − β₁) z + β₁ x                      the gradient g is taken at y
    v ← β₂ v + (1 − β₂) g²                     v̂ = v / (1 − β₂ᵗ)
    z ← z − lr (g / (√v̂ + ε) + λ y)            λ weight_decay
    x ← (1 − c) x + c z                        c = lr² / Σ lr² over all updates so far

    The network holds x. Good learning rates are 1 to 10 times those of AdamW with a schedule; a warmup suits them
    (``Warmup``), a decay does not. Running statistics of batch normalisation are those of y. Defazio et al. 2024
    (arXiv 2405.15682), with the bias correction of the authors' code; their experiments had lr √(1 − β₂ᵗ) and v.

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        betas: β₁ and β₂, in [0, 1).
        eps: ε, positive.
        weight_decay: λ; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, a beta outside [0, 1), eps ≤ 0 or weight_decay < 0.
    """

    lr: float | LearningRateSchedule = 2.5e-3
    _: KW_ONLY
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    rates: ClassVar[tuple[str, ...]] = (*ScheduleFreeOptimizer.rates, *MomentOptimizer.rates)
    clocks: ClassVar[tuple[str, ...]] = MomentOptimizer.clocks

    def __post_init__(self) -> None:
        super().__post_init__()
        self.betas = decay_rates("betas", self.betas, "(0.9, 0.999) is customary")
        self.eps = positive("eps", self.eps, "1e-8 is customary")

    @property
    def beta(self) -> float:
        return self.betas[0]

    @property
    def slots(self) -> tuple[str, ...]:
        return ("d", "v")

    def prepare(self, ops: Ops, b: UpdateBuffers) -> None:
        super().prepare(ops, b)
        correct_bias(ops, b, (0.0, self.betas[1]), self.eps)  # there is no average of g to correct

    def direct(self, ops: Ops, b: UpdateBuffers) -> None:
        """v ← β₂ v + (1 − β₂) g²    g ← u = g / (√v̂ + ε) + λ y"""
        v = b.slots["v"]
        ops.square(b.g, out=b.scratch)
        average_in(ops, v, self.betas[1], b.scratch, scratch=b.scratch)
        divide_by_root(ops, b.g, v, b.rates["eps"], scratch=b.scratch, out=b.g)
        ops.multiply(b.g, b.rates["correction"], out=b.g)
        super().direct(ops, b)


def least_weight(dtype: np.dtype[Any]) -> float:
    """Return the smallest normal number: so small that it adds nothing to a sum, and division by it is defined."""
    return float(np.finfo(dtype).tiny)
