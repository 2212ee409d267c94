"""Turn the training runs of a study into its answers: every number of the result, from plain arrays.

Shapes: K batch sizes, L learning rates, S seeds (paired across batch sizes).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from minisgd.lab.statistics import mean_interval, percentiles
from minisgd.lab.study.batch_result import BatchResult, Curve, LearningRateResult
from minisgd.lab.study.curves import FitResult, Timing
from minisgd.lab.study.draws import Draws, draw_seconds, draw_step_seconds
from minisgd.lab.study.fit import fit_with_interval, time_optimal_batch
from minisgd.lab.study.instructions import Instructions
from minisgd.lab.study.recommend import recommend
from minisgd.lab.study.result import Recommendation, StudyResult
from minisgd.lab.study.statistics import BestLearningRate, best_learning_rate, bounded_exp, censored_median
from minisgd.lab.study.target import Baseline, Target
from minisgd.lab.timing.fit import falling, fit_step_time
from minisgd.typing import HostArray


@dataclass(frozen=True)
class Trials:
    """Every training run at one batch size, and what a single network costs there.

    learning_rates (L,) ascending   steps (L, S) to the target, not finite where it was never reached
    given (L, S): steps that each run was given   ran (L, S) of bool: which seeds were tried, of the best rate all
    diverged (L, S) of bool   train_loss, val_accuracy (L, S) at the end of each run; no accuracy in a regression
    visits (V,): seconds of a step at every timing visit   curves: of a representative seed of each learning rate
    """

    batch_size: int
    full: bool
    learning_rates: HostArray
    steps: HostArray
    given: HostArray
    ran: HostArray
    diverged: HostArray
    train_loss: HostArray
    val_accuracy: HostArray | None
    max_steps: int
    visits: HostArray
    step_flops: float
    memory_bytes: int
    curves: Sequence[Curve]

    @property
    def step_seconds(self) -> float:
        return float(np.median(self.visits))

    @cached_property
    def best(self) -> BestLearningRate:
        return best_learning_rate(self.learning_rates, self.steps, self.train_loss, self.ran)


@dataclass(frozen=True)
class Setting:
    """What a study was about: the words of its report's heading and the numbers its units need."""

    data: str
    model: str
    optimizer: str
    target: Target
    n_train: int
    seeds: tuple[int, ...]
    command: str
    environment: Mapping[str, Any]
    budget: str = "run to target"
    baseline: Baseline | None = None
    learned: bool = True
    measurable: bool = True
    instructions: Instructions | None = None
    cpu_share: float | None = None
    left_open: tuple[str, ...] = ()


def without_comparison(setting: Setting, why: str) -> StudyResult:
    """Return the result of a study whose pilot found that there is nothing to compare batch sizes by."""
    return _result(setting, (), FitResult(reason=why), None, Recommendation(None, None, None, None, why, None, None))


def analyse(trials: Sequence[Trials], setting: Setting, seed: int = 0, memory_limit: int | None = None) -> StudyResult:
    """Turn the training runs of a study into its result; `seed` drives the draws."""
    rng = np.random.default_rng(seed)
    trials = sorted(trials, key=lambda t: t.batch_size)
    sizes = [t.batch_size for t in trials]
    chosen = [t.best.index for t in trials]
    step_seconds = np.array([t.step_seconds for t in trials])
    visits = np.stack([t.visits for t in trials], axis=1)  # (V, K)
    draws = draw_seconds([_counted(t) for t in trials], chosen, step_seconds, visits, rng)
    batches = [_summarise(t, setting.n_train, draws, k) for k, t in enumerate(trials)]
    fit = _fit(sizes, np.stack([t.steps[row] for t, row in zip(trials, chosen, strict=True)]))
    return _result(
        setting,
        tuple(batches),
        fit,
        _timing(sizes, step_seconds, visits, fit, setting.cpu_share, rng),
        recommend(batches, draws, setting.target, memory_limit, setting.instructions),
    )


def _result(
    setting: Setting,
    batches: tuple[BatchResult, ...],
    fit: FitResult,
    timing: Timing | None,
    recommendation: Recommendation,
) -> StudyResult:
    facts = {name: value for name, value in vars(setting).items() if name not in ("instructions", "cpu_share")}
    return StudyResult(batch_sizes=batches, fit=fit, timing=timing, recommendation=recommendation, **facts)


def _counted(t: Trials) -> HostArray:
    """Return steps (L, S) with which draws can count: a censored run of the best row at the steps it was given."""
    row, steps = t.best.index, t.steps.copy()
    steps[row] = np.where(np.isfinite(steps[row]), steps[row], np.maximum(t.given[row], 1))
    return steps


def _summarise(t: Trials, n_train: int, draws: Draws | None, k: int) -> BatchResult:
    best = t.best
    steps = censored_median(t.steps[best.index], t.given[best.index])
    seconds = steps.scaled(t.step_seconds)
    if draws is not None and steps.reached:
        low, high = draws.interval(k)
        high = math.inf if steps.censored else max(high, seconds.median)
        seconds = replace(seconds, low=min(low, seconds.median), high=high)
    ends = mean_interval(np.log(t.visits))
    return BatchResult(
        batch_size=t.batch_size,
        full=t.full,
        lr=best.lr,
        lr_on_edge=best.on_edge,
        usable_lr_low=best.usable_low,
        usable_lr_high=best.usable_high,
        usable_lr_decades=best.usable_decades,
        steps_to_target=steps,
        examples_to_target=steps.scaled(t.batch_size),
        epochs_to_target=steps.scaled(t.batch_size / n_train),
        seconds_to_target=seconds,
        step_seconds=t.step_seconds,
        samples_per_second=t.batch_size / t.step_seconds,
        memory_bytes=t.memory_bytes,
        train_loss=_median(t.train_loss[best.index]),
        val_accuracy=None if t.val_accuracy is None else _median(t.val_accuracy[best.index]),
        max_steps=t.max_steps,
        lr_grid=tuple(_grid_row(t, row) for row in range(len(t.learning_rates))),
        learning_curve=t.curves[best.index],
        step_seconds_low=math.exp(ends[0]),
        step_seconds_high=bounded_exp(ends[1]),
        step_flops=t.step_flops,
    )


def _grid_row(t: Trials, row: int) -> LearningRateResult:
    ran = t.ran[row]
    steps = np.where(np.isfinite(t.steps[row]), t.steps[row], np.inf)[ran]
    return LearningRateResult(
        lr=float(t.learning_rates[row]),
        median_steps=float(np.median(steps)),
        reached=int(np.isfinite(steps).sum()),
        diverged=int(np.sum(t.diverged[row][ran])),
        train_loss=_median(t.train_loss[row][ran]),
        seeds=int(ran.sum()),
        curve=t.curves[row],
    )


def _median(values: HostArray) -> float | None:
    """Return the median with what is not finite counted as worst; None where that is the median. (S,)"""
    middle = float(np.median(np.where(np.isfinite(values), values, np.inf)))
    return middle if math.isfinite(middle) else None


def _fit(sizes: list[int], steps: HostArray) -> FitResult:
    found = fit_with_interval(sizes, steps)
    if found.fit is None:
        return FitResult(reason=found.reason)
    fit = found.fit
    bands = (tuple(row.tolist()) for row in (found.band_at, found.band_low, found.band_high))
    return FitResult(fit.s_min, fit.e_min, fit.b_crit, found.b_crit_low, found.b_crit_high, fit.residual, "", *bands)


def _timing(
    sizes: list[int],
    step_seconds: HostArray,
    visits: HostArray,
    fit: FitResult,
    cpu_share: float | None,
    rng: np.random.Generator,
) -> Timing | None:
    """Fit the line of step times; bound what follows by the visits, (V, K), and the interval of Bcrit."""
    line = fit_step_time(sizes, step_seconds)
    if line is None:
        return None
    optimum = None if fit.s_min is None else time_optimal_batch(line.t0, line.r, fit.b_crit)
    low = high = None
    if optimum is not None:
        drawn = [fit_step_time(sizes, row) for row in draw_step_seconds(step_seconds, visits, rng)]
        knees = percentiles(np.array([0.0 if each is None else each.knee for each in drawn]))
        low, high = _combined(optimum, line.knee, fit, (float(knees[0]), float(knees[1])))
    pairs = tuple(falling(sizes, visits))
    return Timing(line.t0, line.r, line.knee, optimum, low, high, line.residual, pairs, cpu_share)


def _combined(optimum: float, knee: float, fit: FitResult, knees: tuple[float, float]) -> tuple[float, float]:
    """Return the interval of √(knee·Bcrit) from those of both: their log half-widths add in quadrature on each side."""

    def width(value: float, end: float) -> float:
        return abs(math.log(end / value)) if 0 < value < math.inf and 0 < end < math.inf else math.inf

    half = [math.hypot(width(knee, k), width(fit.b_crit, b)) / 2 for k, b in zip(knees, fit.interval, strict=True)]
    low = optimum * math.exp(-half[0]) if math.isfinite(half[0]) else 0.0
    return low, optimum * math.exp(half[1]) if math.isfinite(half[1]) else math.inf
