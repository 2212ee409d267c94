"""The pilot: a few short training runs that say what can be reached, how fast, and at which learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event
from time import perf_counter
from typing import Any

import numpy as np

from minisgd.errors import ArgumentError, DataError
from minisgd.lab import words
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.constant import best_constant, loss_of_mean, reached_by_chance, usual_metric
from minisgd.lab.study.grid import PER_DECADE, lattice
from minisgd.lab.study.result import Baseline, Target
from minisgd.lab.study.stack import Budget, train_stack
from minisgd.lab.study.statistics import crossing
from minisgd.lab.trial import Trial

STEPS = 800
"""Updates of a training run of the pilot: what they reach is the measure of the target."""

EVALUATIONS = 40

SHARE = 0.97
"""The target is this share of the way from knowing nothing to what the pilot reached."""

TYPICAL_BATCH = 32

MEASURABLE = 10
"""Updates that reaching the target must take at every batch size, so that a batch size can be told from another."""

DOUBTFUL = 500
"""Updates of the pilot to the target up to which a larger batch might take less than MEASURABLE."""


@dataclass(frozen=True)
class Pilot:
    """What the pilot found: the target, and at one batch size the best learning rate and its steps to the target."""

    target: Target
    batch_size: int
    lr: float
    steps: float
    replica_step_seconds: float
    """Seconds of one update of one replica in a stack."""
    level: float
    """What the best learning rate ended with, in the metric of the target."""
    baseline: Baseline
    learned: bool
    """Whether that beats the best constant answer by more than chance."""
    measurable: bool
    """Whether reaching the target takes enough updates at every batch size."""
    rates: int
    """Learning rates tried."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Pilot:
        """Rebuild a pilot from the journal."""
        known = values["baseline"]
        balance = None if known["balance"] is None else tuple(known["balance"])
        error = math.inf if known["error"] is None else known["error"]
        baseline = Baseline(**{**known, "balance": balance, "error": error, "value": _number(known["value"])})
        goal = {**values["target"], "value": _number(values["target"]["value"])}
        return cls(**{**values, "target": Target(**goal), "level": _number(values["level"]), "baseline": baseline})

    @property
    def trouble(self) -> str:
        """State why no batch sizes can be compared; empty where they can."""
        if self.learned and self.measurable:
            return ""
        if self.learned:
            return (
                f"The problem is too easy to tell batch sizes apart: reaching {self.target} takes fewer than "
                f"{MEASURABLE} updates at the largest of them. Any batch size will do."
            )
        values = ("the mean", "the median", "the same value")
        constant = self.baseline.answer if self.baseline.answer in values else "the commonest class"
        best = self.target.at(self.level) if math.isfinite(self.level) else "no finite value"
        text = (
            f"Nothing was learned: the best of {self.rates} learning rates ended with {best} after {STEPS} updates of "
            f"batch size {self.batch_size}, which is not distinguishable from always answering {constant}. "
            f"{self.baseline}"
        )
        if self.baseline.metric == "val_balanced_accuracy" and self.baseline.error > 0.1:
            rare = round(self.baseline.n_validation * (self.baseline.balance or (0, 0))[1])
            text += f" The rarest class has only {words.plural(rare, 'validation example')}: hold out more."
        return text


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def pilot_batch_size(batch_sizes: Sequence[int]) -> int:
    """Return the batch size, of those to be studied, that is nearest to a typical one."""
    return min(batch_sizes, key=lambda b: abs(math.log(b / TYPICAL_BATCH)))


def run_pilot(
    trial: Trial,
    batch_sizes: Sequence[int],
    target: Target | None,
    learning_rates: Sequence[float] | None,
    seeds: Sequence[int],
    stop: Event,
    metric: str | None = None,
    shares: Sequence[float] = (SHARE, 1.0),
) -> Pilot:
    """Train at one batch size over many decades of learning rate, and choose the target unless one is given.

    A chosen target is beyond the best constant answer and its sampling error, and takes at least MEASURABLE updates at
    the largest batch size: if SHARE of the way to what the pilot reached takes fewer, then all of it, and for
    labelled data then the loss, which still falls when all examples are right.

    Args:
        trial: What is trained, and where.
        batch_sizes: Those to be studied; the one nearest to 32 is used.
        target: The target, or None to choose one.
        learning_rates: By default five decades.
        seeds: Seeds of the study; the first two are used.
        stop: Set to end early.
        metric: Metric of a chosen target: by default the usual one of the data.
        shares: Of the way from the best constant answer to what was reached, at which a target is tried in turn.

    Returns:
        The target, whether it can be learned and measured, and at one batch size the best learning rate and its steps
        to the target.

    Raises:
        DataError: Every learning rate diverges.
        ArgumentError: The best constant answer meets the target, but for chance.
    """
    data = trial.data
    batch_size = pilot_batch_size(batch_sizes)
    rates = learning_rates or [lattice(k) for k in range(-4 * PER_DECADE, PER_DECADE + 1, 2)]
    watched = target or _watched(trial, metric or usual_metric(data, trial.loss))
    baseline = best_constant(data, watched.metric, trial.loss)
    if target is not None:
        require_beyond(target, baseline, reached_by_chance(baseline, data, trial.loss, 1))
    cells = [(lr, seed) for lr in rates for seed in seeds[:2]]
    begun = perf_counter()
    done = train_stack(
        trial, batch_size, cells, watched, Budget(STEPS, STEPS // EVALUATIONS, False), math.inf, lambda _: None, stop
    )
    seconds = (perf_counter() - begun) / (STEPS * len(cells))
    lr, level = _best(done, rates, watched)
    if not math.isfinite(baseline.value):  # a loss of one's own: an untrained network stands for knowing nothing
        start = float(np.median([cell.curve[0][2] for cell in done]))
        baseline = replace(baseline, value=start, error=abs(start) / math.sqrt(baseline.n_validation))
    chance = reached_by_chance(baseline, data, trial.loss, len(rates))
    learned = level > chance if watched.rises else level < chance
    found = Pilot(watched, batch_size, lr, STEPS, seconds, level, baseline, learned, True, len(rates))
    if not learned:
        return found
    goals = [replace(watched, value=_part_of_the_way(baseline.value, level, share, watched)) for share in shares]
    for goal in [target] if target else goals:
        steps = min(_steps_to(done, rate, goal) for rate in rates)
        if math.isinf(steps) and target is None:
            break  # nobody got there for good: the next one is harder still
        found = replace(found, target=goal, steps=steps if math.isfinite(steps) else STEPS)
        if _takes_long_enough(trial, found, max(batch_sizes), seeds, stop):
            return found
    if target is None and metric is None and watched.metric.endswith("accuracy"):
        harder = run_pilot(trial, batch_sizes, None, learning_rates, seeds, stop, "val_loss")
        if harder.learned and harder.measurable:
            return harder
    return replace(found, measurable=False)


def require_beyond(target: Target, baseline: Baseline, chance: float) -> None:
    """Refuse a target that the best constant answer meets, or a network that learned nothing might by chance."""
    if math.isfinite(chance) and (target.value <= chance if target.rises else target.value >= chance):
        raise ArgumentError(
            f"target_{target.metric.removeprefix('val_')}",
            expected=f"harder than {target.at(chance)}, which the best constant answer may reach by chance",
            got=target.value,
            fix=f"ask for more, or leave the target out and a pilot finds one. {baseline}",
        )


def _watched(trial: Trial, metric: str) -> Target:
    return Target(metric, math.nan, loss_of_mean(trial.data) if metric == "val_r2" else None)


def _takes_long_enough(trial: Trial, found: Pilot, largest: int, seeds: Sequence[int], stop: Event) -> bool:
    """Return whether no training run reaches the target in fewer than MEASURABLE updates at the largest batch size."""
    if found.steps > DOUBTFUL:
        return True
    guess = found.lr * math.sqrt(largest / found.batch_size)
    budget = Budget(MEASURABLE - 1, 1)
    for factor in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
        cells = [(guess * factor, seed) for seed in seeds[:2]]
        done = train_stack(trial, largest, cells, found.target, budget, math.inf, lambda _: None, stop)
        if any(cell.reached for cell in done):
            return False
    return True


def _best(done: list[Cell], rates: Sequence[float], watched: Target) -> tuple[float, float]:
    """Return the learning rate whose training runs ended best, and how well: the mean of their last evaluations."""
    sign = 1.0 if watched.rises else -1.0
    levels = {lr: float(np.median([_last(cell) for cell in done if cell.lr == lr])) for lr in rates}
    scored = {lr: sign * level for lr, level in levels.items() if math.isfinite(level)}
    if not scored:
        raise DataError(
            "data",
            expected="something that the network can learn",
            got="every training run of the pilot diverged",
            fix="scale the features, check the labels, or give learning_rates that are smaller",
        )
    best = max(scored, key=lambda lr: scored[lr])
    return best, levels[best]


def _last(cell: Cell) -> float:
    """Return the mean of the last evaluations: one alone is noisy."""
    return math.nan if cell.diverged else float(np.mean([metric for _, _, metric in cell.curve[-5:]]))


def _part_of_the_way(nothing: float, level: float, share: float, watched: Target) -> float:
    """Return a share of the way from the best constant answer to what was reached, rounded."""
    value = nothing + share * (level - nothing)
    return round(value, 3) if watched.rises else float(f"{value:.4g}")


def _steps_to(done: list[Cell], lr: float, target: Target) -> float:
    """Return the median steps to the target at a learning rate, counted from the first evaluation after step 0."""
    reached = []
    for cell in done:
        if cell.lr == lr:
            steps, _, metrics = zip(*cell.curve[1:], strict=True) if len(cell.curve) > 1 else ((), (), ())
            reached.append(crossing(steps, metrics, target.value, "up" if target.rises else "down"))
    return float(np.median(reached))
