"""What a study found: plain numbers, written to study.json.

In memory a quantity that was never reached is infinite, so that it compares and sorts as it should; JSON
knows no infinity, so there it is null. `None` in memory means that the quantity does not exist (no accuracy
in a regression).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minisgd.files import to_json, write_atomically
from minisgd.lab import words
from minisgd.lab.study.statistics import CensoredMedian


@dataclass(frozen=True)
class Target:
    """Name the metric that a run must bring to a value: val_accuracy, val_loss or train_loss."""

    metric: str
    value: float

    @property
    def rises(self) -> bool:
        return self.metric.endswith("accuracy")

    @property
    def metric_name(self) -> str:
        """The metric in words: validation accuracy, training loss."""
        return self.metric.replace("val_", "validation ").replace("train_", "training ")

    def __str__(self) -> str:
        """What a run has to reach, in words: 95% validation accuracy, a training loss of 0.05."""
        if self.rises:
            return f"{100 * self.value:.4g}% {self.metric_name}"
        return f"a {self.metric_name} of {words.number(self.value)}"


@dataclass(frozen=True)
class LearningRateResult:
    """What one learning rate did at one batch size: medians over the seeds."""

    lr: float
    median_steps: float
    reached: int
    diverged: int
    train_loss: float | None


@dataclass(frozen=True)
class Curve:
    """The evaluations of one training run, all (T,): steps taken, training loss, the target's metric."""

    steps: tuple[float, ...] = ()
    train_loss: tuple[float, ...] = ()
    metric: tuple[float, ...] = ()


@dataclass(frozen=True)
class BatchResult:
    """What was found at one batch size, at its best learning rate.

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
    steps_to_target: CensoredMedian
    examples_to_target: CensoredMedian
    epochs_to_target: CensoredMedian
    seconds_to_target: CensoredMedian
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
    """S(B) = s_min + e_min/B and b_crit = e_min/s_min; without a fit, s_min is None and reason says why.

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
    """t(B) = t0_seconds + B / examples_per_second, its knee t0·r, and the best batch √(t0·r·Bcrit)."""

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
    """Which batch size to use, at what cost, and why.

    Attributes:
        batch_size: None where none can be recommended.
        lr: Its best learning rate.
        seconds: Predicted seconds to the target.
        memory_bytes: Memory of a training step.
        why: The reason, a sentence.
        runner_up: The fastest batch size but this one.
        confidence: Share of the seed resamples in which this batch size was the fastest.
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
    """Everything a study found; the report and study.json are made of nothing else."""

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
        return to_json(asdict(self), indent=2)

    def save(self, folder: str | Path) -> Path:
        """Write study.json into a folder, completely or not at all, and return its path."""
        return write_atomically(Path(folder) / "study.json", self.to_json().encode(), "folder")
