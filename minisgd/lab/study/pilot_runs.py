"""The pilot: a few short training runs that say what can be reached, how fast, and at which learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Event
from time import perf_counter

import numpy as np

from minisgd.errors import ArgumentError, DataError
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.constant import best_constant, loss_of_mean, reached_by_chance, usual_metric
from minisgd.lab.study.grid import PER_DECADE, lattice
from minisgd.lab.study.pilot import MEASURABLE, STEPS, Pilot
from minisgd.lab.study.stack import Budget, Stopped, train_stack
from minisgd.lab.study.statistics import crossing
from minisgd.lab.study.target import Target
from minisgd.lab.trial import Trial

EVALUATIONS = 40

FLOPS_A_SECOND = 2e10
"""Of a core that trains a stack of small networks, about."""

SHARES = (0.97, 0.9, 0.8)
"""The target is this share of the way from knowing nothing to what the pilot reached: the first that it got to with
both seeds, for what one of them reaches the other may not."""

TYPICAL_BATCH = 32

DOUBTFUL = 500
"""Updates of the pilot to the target up to which a larger batch might take less than MEASURABLE."""


def pilot_batch_size(batch_sizes: Sequence[int]) -> int:
    """Return the batch size, of those to be studied, that is nearest to a typical one."""
    return min(batch_sizes, key=lambda b: abs(math.log(b / TYPICAL_BATCH)))


@dataclass(frozen=True)
class PilotRuns:
    """The training runs of a pilot, at one batch size: every learning rate with the same seeds.

    replica_step_seconds: of a core, for one update of one replica in the stack
    """

    batch_size: int
    rates: tuple[float, ...]
    cells: tuple[Cell, ...]
    replica_step_seconds: float

    @property
    def updates(self) -> int:
        """Updates that were taken: STEPS, or fewer where time was short."""
        return max(cell.steps for cell in self.cells)


def run_pilot(
    trial: Trial,
    batch_sizes: Sequence[int],
    target: Target | None,
    learning_rates: Sequence[float] | None,
    seeds: Sequence[int],
    stop: Event,
    metric: str | None = None,
    deadline: float = math.inf,
) -> Pilot:
    """Train at one batch size over many decades of learning rate, and choose the target unless one is given.

    A chosen target is beyond what chance reaches, and takes at least MEASURABLE updates at the largest batch size: if
    a share of the way to what the pilot reached takes fewer, then all of it, and for labelled data then the loss, which
    still falls when all examples are right.

    learning_rates: by default five decades   seeds: of the study, of which the first two are used
    metric: of a chosen target; by default the usual one of the data
    deadline: by time.perf_counter, when training runs are cut short

    Raises:
        DataError: Every learning rate diverges.
        ArgumentError: The best constant answer meets the target, but for chance.
        Stopped: Time was up, or it was asked to stop, before anything was trained.
    """
    metric = metric or (target.metric if target else usual_metric(trial.data, trial.loss))
    if target is not None:
        require_beyond(target, trial)
    runs = train_pilot(trial, batch_sizes, metric, learning_rates, seeds, stop, deadline)
    found = judge_pilot(runs, trial, metric, target)
    if not found.learned:
        return found
    for goal in [found.target] if target else [found.target, *_harder(found)]:
        steps = _fewest_steps(runs, goal)
        if math.isinf(steps) and goal != found.target:
            break  # nobody got there for good
        found = replace(found, target=goal, steps=min(steps, runs.updates))
        if _takes_long_enough(trial, found, max(batch_sizes), seeds, stop, deadline):
            return found
    if target is None and metric.endswith("accuracy"):
        try:
            harder = run_pilot(trial, batch_sizes, None, learning_rates, seeds, stop, "val_loss", deadline)
        except Stopped:  # what was found before stands where it was time that was up
            if stop.is_set():
                raise
        else:
            if harder.learned and harder.measurable:
                return harder
    return replace(found, measurable=False)


def train_pilot(
    trial: Trial,
    batch_sizes: Sequence[int],
    metric: str,
    learning_rates: Sequence[float] | None,
    seeds: Sequence[int],
    stop: Event,
    deadline: float = math.inf,
) -> PilotRuns:
    """Train at one batch size with every learning rate, and look at a metric.

    Raises:
        Stopped: Time was up, or it was asked to stop, before anything was trained.
    """
    batch_size, rates = pilot_batch_size(batch_sizes), _rates(learning_rates)
    cells = [(lr, seed) for lr in rates for seed in seeds[:2]]
    budget = Budget(STEPS, STEPS // EVALUATIONS, False, deadline)
    begun = perf_counter()
    done = train_stack(trial, batch_size, cells, _watched(trial, metric), budget, math.inf, lambda _: None, stop)
    updates = max(cell.steps for cell in done)
    if not updates:
        raise Stopped
    worked = trial.threads * (perf_counter() - begun)
    return PilotRuns(batch_size, rates, tuple(done), worked / (updates * len(cells)))


def seconds_of_pilot(trial: Trial, batch_sizes: Sequence[int], learning_rates: Sequence[float] | None) -> float:
    """Return about how long the training runs of a pilot take a core."""
    return 2 * len(_rates(learning_rates)) * STEPS * trial.flops(pilot_batch_size(batch_sizes)) / FLOPS_A_SECOND


def _rates(chosen: Sequence[float] | None) -> tuple[float, ...]:
    """Return the learning rates of a pilot: five decades, unless some are chosen."""
    return tuple(chosen or [lattice(k) for k in range(-4 * PER_DECADE, PER_DECADE + 1, 2)])


def judge_pilot(runs: PilotRuns, trial: Trial, metric: str, target: Target | None) -> Pilot:
    """Say what training runs of a pilot reached, whether they learned anything, and how many steps a target takes.

    Raises:
        DataError: Every learning rate diverges.
    """
    watched, tried = _watched(trial, metric), len(runs.rates)
    baseline = best_constant(trial.data, metric, trial.loss)
    lr, level = _best(runs, watched)
    if not math.isfinite(baseline.value):  # a loss of one's own: an untrained network stands for knowing nothing
        start = float(np.median([cell.curve[0][2] for cell in runs.cells]))
        baseline = replace(baseline, value=start, error=abs(start) / math.sqrt(baseline.n_validation))
    chance = reached_by_chance(baseline, trial.data, trial.loss, tried)
    learned = level > chance if watched.rises else level < chance
    found = Pilot(
        target or watched, runs.batch_size, lr, runs.updates, runs.replica_step_seconds, level, baseline, learned, True,
        tried, runs.updates,
    )  # fmt: skip
    if not learned:
        return found
    goals = [target] if target else [_part_of_the_way(found, share) for share in SHARES]
    reached = [goal for goal in goals if math.isfinite(_fewest_steps(runs, goal))] or goals[-1:]
    return replace(found, target=reached[0], steps=min(_fewest_steps(runs, reached[0]), runs.updates))


def require_beyond(target: Target, trial: Trial) -> None:
    """Refuse a target that the best constant answer meets, or a network that learned nothing might by chance."""
    baseline = best_constant(trial.data, target.metric, trial.loss)
    chance = reached_by_chance(baseline, trial.data, trial.loss, 1)
    if math.isfinite(chance) and (target.value <= chance if target.rises else target.value >= chance):
        raise ArgumentError(
            f"target_{target.metric.removeprefix('val_')}",
            expected=f"harder than {target.at(chance)}, which the best constant answer may reach by chance",
            got=target.value,
            fix=f"ask for more, or leave the target out and a pilot finds one. {baseline}",
        )


def _watched(trial: Trial, metric: str) -> Target:
    return Target(metric, math.nan, loss_of_mean(trial.data) if metric == "val_r2" else None)


def _takes_long_enough(
    trial: Trial, found: Pilot, largest: int, seeds: Sequence[int], stop: Event, deadline: float
) -> bool:
    """Return whether no training run reaches the target in fewer than MEASURABLE updates at the largest batch size."""
    if found.steps > DOUBTFUL:
        return True
    if found.updates < STEPS and found.steps <= STEPS // EVALUATIONS:
        return False  # at the first look, and time for many more there is not
    guess = found.lr * math.sqrt(largest / found.batch_size)
    budget = Budget(MEASURABLE - 1, 1, deadline=deadline)
    for factor in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
        cells = [(guess * factor, seed) for seed in seeds[:2]]
        done = train_stack(trial, largest, cells, found.target, budget, math.inf, lambda _: None, stop)
        if any(cell.reached for cell in done):
            return False
    return True


def _best(runs: PilotRuns, watched: Target) -> tuple[float, float]:
    """Return the learning rate whose training runs ended best, and how well: the mean of their last evaluations."""
    sign = 1.0 if watched.rises else -1.0
    levels = {lr: float(np.median([_last(cell) for cell in runs.cells if cell.lr == lr])) for lr in runs.rates}
    scored = {lr: sign * level for lr, level in levels.items() if math.isfinite(level)}
    if not scored:
        raise DataError(
            "data",
            expected="something that the network can learn",
            got="divergence in every training run of the pilot",
            fix="scale the features, check the labels, or give learning_rates that are smaller",
        )
    best = max(scored, key=lambda lr: scored[lr])
    return best, levels[best]


def _last(cell: Cell) -> float:
    """Return the mean of the last evaluations: one alone is noisy."""
    return math.nan if cell.diverged else float(np.mean([metric for _, _, metric in cell.curve[-5:]]))


def _harder(found: Pilot) -> list[Target]:
    """Return what the pilot reached itself as a target, unless not even SHARES of it was reached with both seeds."""
    return [_part_of_the_way(found, 1.0)] if found.target == _part_of_the_way(found, SHARES[0]) else []


def _part_of_the_way(found: Pilot, share: float) -> Target:
    """Return the target at a share of the way from the best constant answer to what was reached, rounded."""
    value = found.baseline.value + share * (found.level - found.baseline.value)
    value = round(value, 3) if found.target.rises else float(f"{value:.4g}")
    return replace(found.target, value=value)


def _fewest_steps(runs: PilotRuns, target: Target) -> float:
    """Return the fewest median steps to a target among the learning rates; what was there at step 0 does not count."""
    reached: dict[float, list[float]] = {}
    for cell in runs.cells:
        steps, _, metrics = zip(*cell.curve[1:], strict=True) if len(cell.curve) > 1 else ((), (), ())
        found = crossing(steps, metrics, target.value, target.rises)
        reached.setdefault(cell.lr, []).append(found)
    return min(float(np.median(steps)) for steps in reached.values())
