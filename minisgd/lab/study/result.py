"""What a study found: plain numbers, written to study.json and read back.

In memory a quantity that was never reached is infinite, so that it compares and sorts as it should; JSON
knows no infinity, so there it is null. `None` in memory means that the quantity does not exist (no accuracy
in a regression).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from minisgd.errors import DataError
from minisgd.files import write_atomically
from minisgd.lab.study.statistics import Interval


@dataclass(frozen=True)
class Target:
    """Name the metric that a run must bring to a value: val_accuracy, val_loss or train_loss."""

    metric: str
    value: float

    @property
    def rises(self) -> bool:
        return self.metric.endswith("accuracy")


@dataclass(frozen=True)
class LearningRateResult:
    """Hold what one learning rate did at one batch size: medians over the seeds."""

    lr: float
    median_steps: float
    reached: int
    diverged: int
    train_loss: float | None


@dataclass(frozen=True)
class Curve:
    """Hold the evaluations of one training run, all (T,): steps taken, training loss, the target's metric."""

    steps: tuple[float, ...] = ()
    train_loss: tuple[float, ...] = ()
    metric: tuple[float, ...] = ()


@dataclass(frozen=True)
class BatchResult:
    """Hold what was found at one batch size, at its best learning rate.

    step_seconds in seconds, memory in bytes; train_loss and val_accuracy are medians over the seeds, None
    where there is none. The usable learning rates reach the target in at most twice the fewest steps.
    """

    batch_size: int
    full: bool
    lr: float
    lr_on_edge: bool
    usable_lr_low: float
    usable_lr_high: float
    usable_lr_decades: float
    steps_to_target: Interval
    examples_to_target: Interval
    epochs_to_target: Interval
    seconds_to_target: Interval
    step_seconds: float
    samples_per_second: float
    memory_bytes: int
    train_loss: float | None
    val_accuracy: float | None
    max_steps: int
    lr_grid: tuple[LearningRateResult, ...]
    learning_curve: Curve = field(default_factory=Curve)


@dataclass(frozen=True)
class FitResult:
    """Hold S(B) = s_min + e_min/B and b_crit = e_min/s_min; without a fit, s_min is None and reason says why.

    b_crit is 0 where every batch size is on the plateau and infinite where all scale perfectly. The band
    bounds the curve at the batch sizes band_at.
    """

    s_min: float | None = None
    e_min: float | None = None
    b_crit: float = math.inf
    b_crit_low: float = math.inf
    b_crit_high: float = math.inf
    residual: float | None = None
    reason: str = ""
    band_at: tuple[float, ...] = ()
    band_low: tuple[float, ...] = ()
    band_high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Timing:
    """Hold t(B) = t0_seconds + B / examples_per_second, its knee t0·r, and the best batch √(t0·r·Bcrit)."""

    t0_seconds: float
    examples_per_second: float
    knee: float
    time_optimal_batch: float | None


@dataclass(frozen=True)
class RunnerUp:
    """Name the fastest batch size but the recommended one, and its predicted seconds to target."""

    batch_size: int
    seconds: float


@dataclass(frozen=True)
class Recommendation:
    """Say which batch size to use, at what cost, and why; batch_size is None where none can be named.

    confidence is the share of seed resamples in which this batch size was the fastest.
    """

    batch_size: int | None
    lr: float | None
    seconds: float | None
    memory_bytes: int | None
    why: str
    runner_up: RunnerUp | None
    confidence: float | None


@dataclass(frozen=True)
class StudyResult:
    """Hold everything a study found; the report and study.json are made of nothing else."""

    data: str
    model: str
    optimizer: str
    target: Target
    n_train: int
    seeds: tuple[int, ...]
    batch_sizes: tuple[BatchResult, ...]
    fit: FitResult
    timing: Timing | None
    recommendation: Recommendation
    environment: Mapping[str, Any]
    command: str
    budget: str = "run to target"

    def to_json(self) -> str:
        """Write the document of study.json: strictly valid JSON, null for what is infinite or missing."""
        return json.dumps(_plain(asdict(self)), indent=2, allow_nan=False, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> StudyResult:
        """Read the document of study.json back; raises DataError where it is not one."""
        try:
            return cast(StudyResult, _build(cls, json.loads(text)))
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            raise DataError(
                "study.json",
                expected="the document that a study writes",
                got=str(problem),
                fix="run the study again",
            ) from problem

    def save(self, folder: str | Path) -> Path:
        """Write study.json into a folder, whole or not at all, and give its path."""
        return write_atomically(Path(folder) / "study.json", self.to_json().encode(), "folder")


def _plain(value: Any) -> Any:
    """Turn nested containers into what JSON knows; numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _build(kind: Any, value: Any) -> Any:
    """Make a value of the annotated kind from its JSON form: where a float must be, null was infinite."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _build(hints[name], item) for name, item in value.items()})  # type: ignore[operator]
    if get_origin(kind) is tuple:
        return tuple(_build(get_args(kind)[0], item) for item in value)
    if get_origin(kind) in (Union, UnionType):
        return None if value is None else _build(get_args(kind)[0], value)
    if kind is float:
        return math.inf if value is None else float(value)
    return value
