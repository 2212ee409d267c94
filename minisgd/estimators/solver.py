"""From the constructor's arguments to an optimizer and its learning rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import floor
from typing import Any

from minisgd.errors import ArgumentError
from minisgd.optim import SGD, Adam, LearningRateSchedule, Optimizer, Progress
from minisgd.optim.checks import decay_rate, number, positive

RATES = ("constant", "invscaling", "adaptive")


class AdaptiveRate:
    """A learning rate that a callback divides when the loss no longer falls."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def __call__(self, progress: Progress) -> float:
        return self.lr


def build_optimizer(estimator: Any, n: int, counted: float, begun: float) -> Optimizer:
    """Return the optimizer of an estimator's arguments.

    n: N, the training examples   counted: the weights of a batch in all, by which scikit-learn divides alpha
    begun: epochs done in earlier calls, with which schedules go on
    """
    if isinstance(estimator.solver, Optimizer):
        return estimator.solver
    decay = estimator.alpha / counted
    if not callable(estimator.learning_rate_init):
        positive("learning_rate_init", estimator.learning_rate_init, "1e-3 is customary")
    if estimator.solver == "adam":
        lr = later(estimator.learning_rate_init, begun)
        first = decay_rate("beta_1", estimator.beta_1, "0.9 is customary")
        second = decay_rate("beta_2", estimator.beta_2, "0.999 is customary")
        eps = positive("epsilon", estimator.epsilon, "1e-8 is customary")
        return Adam(lr, betas=(first, second), eps=eps, weight_decay=decay)
    if estimator.solver == "sgd":
        momentum = decay_rate("momentum", estimator.momentum, "0.9 is customary, 0 is none")
        nesterov = bool(estimator.nesterovs_momentum and momentum > 0)
        return SGD(_rate(estimator, n, begun), momentum=momentum, nesterov=nesterov, weight_decay=decay)
    raise ArgumentError(
        "solver", expected="'adam', 'sgd' or an optimizer", got=repr(estimator.solver), fix="pass ms.LAMB(lr=0.01)"
    )


def _rate(estimator: Any, n: int, begun: float) -> float | LearningRateSchedule:
    lr = estimator.learning_rate_init
    if estimator.learning_rate not in RATES:
        raise ArgumentError(
            "learning_rate",
            expected=f"one of {', '.join(map(repr, RATES))}",
            got=repr(estimator.learning_rate),
            fix="a schedule goes to learning_rate_init",
        )
    if estimator.learning_rate == "adaptive":
        return AdaptiveRate(lr)
    if estimator.learning_rate == "invscaling":
        power = number("power_t", estimator.power_t, "a number", "0.5 is customary")
        # scikit-learn's t counts examples, and its rate changes at the end of an epoch; in the first it is lr
        return later(lambda progress: lr / (floor(progress.epoch) * n + 1) ** power, begun)
    return later(lr, begun)


def later(rate: float | LearningRateSchedule, begun: float) -> float | LearningRateSchedule:
    """Return a schedule that has gone on for some epochs already."""
    if not callable(rate) or not begun:
        return rate
    schedule: Callable[[Progress], float] = rate
    return lambda progress: schedule(replace(progress, epoch=progress.epoch + begun))
