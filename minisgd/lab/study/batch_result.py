"""What a study found at one batch size."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite

from minisgd.lab.study.statistics import CensoredMedian


@dataclass(frozen=True)
class Curve:
    """The evaluations of one training run.

    Attributes:
        steps: Steps taken, (T,).
        train_loss: Training loss, (T,).
        metric: The target's metric, (T,).
    """

    steps: tuple[float, ...] = ()
    train_loss: tuple[float, ...] = ()
    metric: tuple[float, ...] = ()


@dataclass(frozen=True)
class LearningRateResult:
    """What one learning rate did at one batch size.

    Attributes:
        lr: The learning rate.
        median_steps: Median over the seeds of the steps to the target.
        reached: Number of seeds that reached it.
        diverged: Number of seeds that diverged.
        seeds: Number of seeds tried: all, or only the first where it lost the race.
        train_loss: Median over the seeds at the end; None where that is not finite.
        curve: The evaluations of a representative training run.
    """

    lr: float
    median_steps: float
    reached: int
    diverged: int
    train_loss: float | None
    seeds: int = 0
    curve: Curve = field(default_factory=Curve)


@dataclass(frozen=True)
class BatchResult:
    """What was found at one batch size, at its best learning rate.

    Attributes:
        batch_size: B.
        full: True for all training examples.
        lr: The best learning rate.
        lr_on_edge: True if it is the smallest or largest of those tried.
        usable_lr_low: Smallest learning rate that needs at most twice the fewest steps.
        usable_lr_high: Largest such learning rate.
        usable_lr_decades: log10 of their ratio.
        steps_to_target: Steps.
        examples_to_target: Steps times B.
        epochs_to_target: Examples divided by N.
        seconds_to_target: Steps times step_seconds.
        step_seconds: Seconds of a step of a single network, the median over visits.
        step_seconds_low: Lower end of its 95% interval; None where there was one visit.
        step_seconds_high: Upper end.
        step_flops: FLOPs of a step of a single network, gradient and update; None where they are not known.
        samples_per_second: B / step_seconds.
        memory_bytes: Memory of a training step.
        train_loss: Median over the seeds, None where there is none.
        val_accuracy: Median over the seeds, None where there is none.
        max_steps: Steps that a training run was allowed.
        lr_grid: Every learning rate tried.
        learning_curve: A representative training run.
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
    step_seconds_low: float | None = None
    step_seconds_high: float | None = None
    step_flops: float | None = None

    @property
    def reached(self) -> bool:
        """Whether the median training run reached the target."""
        return isfinite(self.steps_to_target.median)
