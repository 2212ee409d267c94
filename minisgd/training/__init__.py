"""Floor 5: training."""

from __future__ import annotations

from minisgd.training.callbacks import BestWeights, Callback, EarlyStopping
from minisgd.training.history import History
from minisgd.training.memory import MemoryPlan, memory_plan
from minisgd.training.run import Run, evaluate
from minisgd.training.trainer import train

__all__ = [
    "BestWeights",
    "Callback",
    "EarlyStopping",
    "History",
    "MemoryPlan",
    "Run",
    "evaluate",
    "memory_plan",
    "train",
]
