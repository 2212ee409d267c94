"""Floor 3: optimizers, and schedules of the learning rate and of the batch size."""

from __future__ import annotations

from minisgd.optim.adam import Adam
from minisgd.optim.adamw import AdamW
from minisgd.optim.batch_size import (
    BatchMilestones,
    BatchSize,
    BatchSizeSchedule,
    ConstantBatch,
    GrowBatch,
    as_batch_schedule,
)
from minisgd.optim.learning_rate import (
    Constant,
    Cosine,
    LearningRateSchedule,
    OneCycle,
    StepDecay,
    Warmup,
    as_schedule,
)
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.progress import Progress
from minisgd.optim.scaling import ScaledByBatch, beta_by_half_life, scale_adam
from minisgd.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "BatchMilestones",
    "BatchSize",
    "BatchSizeSchedule",
    "Constant",
    "ConstantBatch",
    "Cosine",
    "GrowBatch",
    "LearningRateSchedule",
    "OneCycle",
    "Optimizer",
    "Progress",
    "ScaledByBatch",
    "StepDecay",
    "UpdateBuffers",
    "Warmup",
    "as_batch_schedule",
    "as_schedule",
    "beta_by_half_life",
    "scale_adam",
]
