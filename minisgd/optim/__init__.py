"""Floor 3: optimizers, and schedules of the learning rate and of the batch size."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from inspect import Parameter, isabstract, signature
from typing import Any

import minisgd.backend.dispatch as dispatch
import minisgd.errors as errors
from minisgd.optim.adagrad import Adagrad
from minisgd.optim.adam import Adam
from minisgd.optim.adamw import AdamW
from minisgd.optim.adaptive import CABS, AdaptiveBatch, InnerProductTest, NeverShrink, NormTest, measures_every
from minisgd.optim.batch_size import (
    BatchMilestones,
    BatchSize,
    BatchSizeSchedule,
    ConstantBatch,
    GrowBatch,
    as_batch_schedule,
)
from minisgd.optim.clip import ClipNorm
from minisgd.optim.groups import Group
from minisgd.optim.lamb import LAMB
from minisgd.optim.lars import LARS
from minisgd.optim.learning_rate import (
    Constant,
    Cosine,
    LearningRateSchedule,
    OneCycle,
    StableDecay,
    StepDecay,
    Warmup,
    as_schedule,
)
from minisgd.optim.lion import Lion
from minisgd.optim.muon import Muon
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.progress import GradientMeasure, Progress
from minisgd.optim.rmsprop import RMSProp
from minisgd.optim.scaling import ScaledByBatch, beta_by_half_life, scale_adam
from minisgd.optim.scaling_rules import SCALING_RULES, nanochat_preset, scaled
from minisgd.optim.schedule_free import ScheduleFreeAdamW, ScheduleFreeSGD
from minisgd.optim.seesaw import InverseToRate, seesaw
from minisgd.optim.sgd import SGD
from minisgd.optim.sign_sgd import SignSGD

__all__ = [
    "CABS",
    "LAMB",
    "LARS",
    "SCALING_RULES",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "AdaptiveBatch",
    "BatchMilestones",
    "BatchSize",
    "BatchSizeSchedule",
    "ClipNorm",
    "Constant",
    "ConstantBatch",
    "Cosine",
    "GradientMeasure",
    "Group",
    "GrowBatch",
    "InnerProductTest",
    "InverseToRate",
    "LearningRateSchedule",
    "Lion",
    "Muon",
    "NeverShrink",
    "NormTest",
    "OneCycle",
    "Optimizer",
    "Progress",
    "RMSProp",
    "ScaledByBatch",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "SignSGD",
    "StableDecay",
    "StepDecay",
    "UpdateBuffers",
    "Warmup",
    "as_batch_schedule",
    "as_schedule",
    "beta_by_half_life",
    "measures_every",
    "nanochat_preset",
    "scale_adam",
    "scaled",
    "seesaw",
]

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    name.lower(): kind
    for name in ("SGD", *__all__)
    if isinstance(kind := globals()[name], type) and issubclass(kind, Optimizer) and not isabstract(kind)
} | {"nesterov": partial(SGD, momentum=0.9, nesterov=True)}
"""Every optimizer by its name on the command line."""

DEFAULT_LR = 0.1
"""For the optimizers that have no learning rate of their own."""


def as_optimizer(value: Any) -> Optimizer:
    """Return an optimizer: as it is, or by its name, with the learning rate that is its default.

    Raises:
        ArgumentError: For a name of no optimizer.
        DtypeError: For what is neither.
    """
    if isinstance(value, Optimizer):
        return value
    if not isinstance(value, str):
        fix = "for example ms.SGD(lr=0.1, momentum=0.9)"
        raise errors.DtypeError("optimizer", expected="an optimizer object, or its name", got=value, fix=fix)
    kind = OPTIMIZERS.get(value.lower())
    if kind is None:
        near = get_close_matches(value.lower(), OPTIMIZERS, n=1)
        fix = f"did you mean {near[0]!r}?" if near else "choose one"
        raise errors.ArgumentError("optimizer", expected=f"one of {', '.join(OPTIMIZERS)}", got=repr(value), fix=fix)
    needs = signature(kind).parameters["lr"].default is Parameter.empty
    return kind(lr=DEFAULT_LR) if needs else kind()


SCHEDULES: dict[str, Callable[..., LearningRateSchedule]] = {
    "constant": Constant,
    "cosine": Cosine,
    "onecycle": OneCycle,
    "stable": StableDecay,
    "step": StepDecay,
}
"""Schedules of the learning rate by their names on the command line; ``Warmup`` goes around any of them."""

dispatch.tuned_in("cuda", "minisgd.optim.cuda")
