"""Floor 5: training."""

from __future__ import annotations

import minisgd.backend.dispatch as dispatch
from minisgd.training import distributed
from minisgd.training.callbacks import BestWeights, Callback, EarlyStopping
from minisgd.training.health import TrainingWarning
from minisgd.training.history import History
from minisgd.training.loggers import CSVLogger, JSONLinesLogger, RateRecorder, TensorBoardLogger
from minisgd.training.memory import MemoryPlan, memory_plan
from minisgd.training.metrics import Metric
from minisgd.training.predictor import Predictor, load_model
from minisgd.training.run import Run
from minisgd.training.scoring import evaluate
from minisgd.training.trainer import train

__all__ = [
    "BestWeights",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "JSONLinesLogger",
    "MemoryPlan",
    "Metric",
    "Predictor",
    "RateRecorder",
    "Run",
    "TensorBoardLogger",
    "TrainingWarning",
    "distributed",
    "evaluate",
    "load_model",
    "memory_plan",
    "train",
]

dispatch.tuned_in("cuda", "minisgd.training.cuda")
