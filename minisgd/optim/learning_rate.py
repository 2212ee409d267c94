"""Schedules of the learning rate: functions from progress to lr, evaluated on the host before each update.

A plain number is a constant schedule, and any function of a Progress is a schedule too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from math import cos, pi
from typing import TypeAlias

from minisgd.errors import ArgumentError, DtypeError
from minisgd.optim.checks import decay_rate, non_negative, number, positive, share
from minisgd.optim.progress import Progress, periods

LearningRateSchedule: TypeAlias = Callable[[Progress], float]

_LR_FIX = "try 0.1 for SGD or 0.001 for Adam"
_EVERY_FIX = "give a number of epochs, such as 10"


def as_schedule(value: float | LearningRateSchedule, argument: str = "lr") -> LearningRateSchedule:
    """Return a schedule of the learning rate: a schedule as it is, a number as a constant.

    Args:
        value: A positive number, or a function of Progress.
        argument: What the caller's user calls the value.

    Returns:
        A function from Progress to the learning rate.

    Raises:
        ArgumentError: For a number that is not positive and finite.
        DtypeError: For what is neither a number nor a schedule.
    """
    if isinstance(value, type):
        raise DtypeError(argument, expected="a number or a schedule", got=value, fix=f"call it: {value.__name__}(...)")
    if callable(value):
        return value
    return Constant(positive(argument, value, _LR_FIX))


def rate_at(schedule: LearningRateSchedule, progress: Progress) -> float:
    """Return the learning rate of an update.

    Raises:
        DtypeError: If the schedule gives no number.
        ArgumentError: If it gives one that is not finite, or is negative.
    """
    fix = f"mend {getattr(schedule, '__qualname__', type(schedule).__name__)}"
    lr = number("lr", schedule(progress), "a schedule of finite numbers", fix)
    if lr < 0:
        raise ArgumentError("lr", expected="a schedule of numbers of at least 0", got=lr, fix=fix)
    return lr


@dataclass(frozen=True)
class Constant:
    """Keep the learning rate.

    Args:
        lr: The learning rate, positive.
    """

    lr: float

    def __post_init__(self) -> None:
        positive("lr", self.lr, _LR_FIX)

    def __call__(self, progress: Progress) -> float:
        return self.lr


@dataclass(frozen=True)
class StepDecay:
    """Multiply the learning rate by a factor every so many epochs: lr · factor^⌊epoch / every⌋.

    Args:
        lr: The learning rate at the start.
        factor: In (0, 1].
        every: Epochs from one step to the next.
    """

    lr: float
    _: KW_ONLY
    factor: float = 0.1
    every: float

    def __post_init__(self) -> None:
        positive("lr", self.lr, _LR_FIX)
        share("factor", self.factor, "0.1 divides by ten, 0.5 halves")
        positive("every", self.every, _EVERY_FIX)

    def __call__(self, progress: Progress) -> float:
        return self.lr * self.factor ** periods(progress.epoch, self.every)


@dataclass(frozen=True)
class Cosine:
    """Fall along half a cosine over the whole training run: final + (lr − final) · ½(1 + cos π·fraction).

    Loshchilov and Hutter 2017, equation 5, without restarts.

    Args:
        lr: The learning rate at the start.
        final: The learning rate at the end.
    """

    lr: float
    _: KW_ONLY
    final: float = 0.0

    def __post_init__(self) -> None:
        positive("lr", self.lr, _LR_FIX)
        non_negative("final", self.final, "0 ends at rest")

    def __call__(self, progress: Progress) -> float:
        return self.final + (self.lr - self.final) * (1 + cos(pi * progress.fraction)) / 2


@dataclass(frozen=True)
class StableDecay:
    """Stay constant, then fall linearly in the last part of the training run: the stable and decay of a WSD schedule.

    lr · min(1, (1 − fraction) / decay), between lr and final. With ``Warmup`` around it, it is warmup–stable–decay
    (Hu et al. 2024, section 4.2), whose stable part can be continued before it is decayed.

    Args:
        lr: The learning rate of the stable part.
        decay: Share of the training run that is the decay, in (0, 1].
        final: The learning rate at the end.
    """

    lr: float
    _: KW_ONLY
    decay: float = 0.2
    final: float = 0.0

    def __post_init__(self) -> None:
        positive("lr", self.lr, _LR_FIX)
        share("decay", self.decay, "0.2 decays over the last fifth")
        non_negative("final", self.final, "0 ends at rest")

    def __call__(self, progress: Progress) -> float:
        return self.final + (self.lr - self.final) * min(1.0, (1 - progress.fraction) / self.decay)


@dataclass(frozen=True)
class Warmup:
    """Ramp any schedule up over its first epochs: schedule · (start + (1 − start) · min(1, epoch / epochs)).

    Args:
        lr: A number or a schedule.
        epochs: How long the ramp is.
        start: The share of the learning rate that the first update gets. Goyal et al. 2017, section 2.2, start at
            the rate of the small batch: 1/k for a batch k times larger.
    """

    lr: float | LearningRateSchedule
    _: KW_ONLY
    epochs: float
    start: float = 0.1

    def __post_init__(self) -> None:
        as_schedule(self.lr, "lr")
        positive("epochs", self.epochs, "5 epochs are customary")
        share("start", self.start, "0.1 starts at a tenth of the learning rate")

    def __call__(self, progress: Progress) -> float:
        ramp = self.start + (1 - self.start) * min(1.0, progress.epoch / self.epochs)
        return as_schedule(self.lr)(progress) * ramp


@dataclass(frozen=True)
class OneCycle:
    """Rise from a small rate to max_lr and fall far below it, both along half a cosine, once over the training run.

    start · max_lr at the first update → max_lr after `rise` of the training run → end · max_lr at the last update.
    After Smith and Topin 2018; the momentum is left alone.

    Args:
        max_lr: The largest learning rate.
        rise: The share of the training run in which it rises, in [0, 1).
        start: The first learning rate over the largest.
        end: The last learning rate over the largest.
    """

    max_lr: float
    _: KW_ONLY
    rise: float = 0.3
    start: float = 1 / 25
    end: float = 1 / 250_000

    def __post_init__(self) -> None:
        positive("max_lr", self.max_lr, _LR_FIX)
        decay_rate("rise", self.rise, "0.3 rises over the first 30% of the training run")
        share("start", self.start, "0.04 starts at max_lr / 25")
        share("end", self.end, "4e-6 ends at max_lr / 250000")

    def __call__(self, progress: Progress) -> float:
        # the last of T updates begins when (T − 1)/T of the training run is done
        before_last = max(1 - progress.step_share, progress.step_share)
        done = min(progress.fraction / before_last, 1.0)
        if done < self.rise:
            low, descent = self.start, 1 - done / self.rise
        else:
            low, descent = self.end, (done - self.rise) / (1 - self.rise)
        return self.max_lr * (low + (1 - low) * (1 + cos(pi * descent)) / 2)
