"""The study: which batch size and learning rate to use, answered by training at all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from minisgd.backend import Plan, get_ops
from minisgd.backend.cpu.threads import blas_threads, choose_threads
from minisgd.data import Dataset
from minisgd.lab import words
from minisgd.lab.environment import environment, half_of_memory
from minisgd.lab.study.analysis import Setting, Trials, analyse, without_comparison
from minisgd.lab.study.arguments import (
    fixed_steps,
    given_target,
    journal_settings,
    resolve_seeds,
)
from minisgd.lab.study.cell import Cell, Journal
from minisgd.lab.study.constant import balanced, best_constant, usual_metric
from minisgd.lab.study.grid import HALF_WINDOW, resolve_batch_sizes, resolve_learning_rates
from minisgd.lab.study.instructions import Instructions
from minisgd.lab.study.pilot import Pilot, run_pilot
from minisgd.lab.study.result import Curve, Recommendation, StudyResult
from minisgd.lab.study.sweep import Outcome, Search
from minisgd.lab.timing.clock import StepTimes, measure_steps
from minisgd.lab.timing.fit import falling
from minisgd.lab.trial import Trial, with_validation
from minisgd.nn import Loss, Network
from minisgd.optim import SGD, Optimizer
from minisgd.training.memory import format_bytes, parse_bytes
from minisgd.training.session import quiet_arithmetic
from minisgd.typing import HostArray

EventHook = Callable[[str, Mapping[str, Any]], None]

CHAINS = 2
"""Searches side by side: upwards and downwards from the pilot's batch size."""

VISITS, VISIT_SECONDS = 7, 0.01
"""How often and how long a step of a single network is timed: a fraction of the whole study."""


@dataclass(frozen=True)
class Study:
    """A finished study: the recommendation, everything measured, and the report.

    Attributes:
        result: Everything measured, as plain numbers.
    """

    result: StudyResult

    @property
    def recommendation(self) -> Recommendation:
        """The batch size and learning rate to use, what they cost, why, the runner-up, and the confidence."""
        return self.result.recommendation

    def save(self, folder: str | Path) -> Path:
        """Write study.json, report.html and its pictures.

        Args:
            folder: Where to; it is made if missing.

        Returns:
            The path of the report.

        Raises:
            OutputError: The folder cannot be written.
            MissingExtraError: matplotlib or jinja2 is not installed.
        """
        from minisgd.lab.study.report import write_report

        self.result.save(folder)
        return write_report(self.result, folder)


def study(
    network: Network,
    data: Dataset | tuple[Any, Any],
    *,
    optimizer: Optimizer | None = None,
    loss: Loss | None = None,
    batch_sizes: Sequence[int | str] | None = None,
    learning_rates: Sequence[float] | None = None,
    seeds: int = 5,
    target_accuracy: float | None = None,
    target_loss: float | None = None,
    budget: str = "target",
    validation: float | None = None,
    memory_limit: int | str | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    model_name: str | None = None,
    command: str = "ms.study(...)",
    train_command: str | None = None,
    on_event: EventHook | None = None,
) -> Study:
    """Find the batch size and learning rate to train a network with, by training it at all of them.

    Every batch size is tuned: learning rates on a logarithmic grid that is extended until the best one is interior,
    each with the same seeds. Training runs are replicas of one program and end at the target. Step time and memory are
    those of single networks. The procedure is that of Shallue et al. 2019, Measuring the effects of data parallelism.

    Args:
        network: The architecture; its weights, if any, are not used.
        data: A data set, or (x, y). Without a validation split, 20% is held out.
        optimizer: SGD(lr=0.1) by default, as in ``ms.train``; its learning rate is tuned.
        loss: By default that of the task.
        batch_sizes: Integers and "full"; powers of four from 1 to N and "full" by default.
        learning_rates: A grid of your own, which is not extended.
        seeds: Number of training runs at every batch size and learning rate.
        target_accuracy: Validation accuracy to reach; by default a pilot finds a target.
        target_loss: Validation loss to reach instead.
        budget: "target", "epochs:N" or "steps:N".
        validation: Share of the data to hold out.
        memory_limit: Bytes, or text such as "512MiB"; batch sizes that need more are not recommended.
        dtype: "float32" or "float64".
        device: "cpu" or "cuda".
        threads: By default all cores.
        seed: Seed of everything random.
        out: A folder whose journal keeps every finished training run; the same study continues from it.
        model_name: The model in the words of the report.
        command: The command in the words of the report.
        train_command: The beginning of the ``minisgd train`` command that trains this network on these data.
        on_event: Called with (kind, facts), kind one of "note", "estimate", "target" and "progress"; facts["text"] is
            for people, facts["share"] of "progress" is the share of the work done.

    Returns:
        The recommendation and everything measured.

    Raises:
        ArgumentError: An argument is out of range, or ``out`` holds another study.
        DataError: Nothing can be learned from the data.
        ShapeError: Network, data and loss do not fit together.
        OutputError: ``out`` cannot be written.
    """
    emit: EventHook = on_event or (lambda kind, facts: None)
    dataset = with_validation(data, validation, seed)
    sizes = resolve_batch_sizes(batch_sizes, len(dataset))
    rates = resolve_learning_rates(learning_rates)
    goal = given_target(dataset, target_accuracy, target_loss)
    fixed = fixed_steps(budget, len(dataset))
    limit = None if memory_limit is None else parse_bytes(memory_limit)
    each = resolve_seeds(seeds, seed)
    optimizer = optimizer or SGD(lr=0.1)
    ops = get_ops(device)
    device, free = ops.device, ops.free_memory()
    # a GPU works on one stack at a time
    workers = choose_threads(math.inf, threads) if free is None else 1
    trial = Trial(network, dataset, optimizer, loss, dtype, device, threads=max(1, workers // CHAINS))
    trial.prepare(sizes[-1], 0)  # refuses what does not fit together before anything is written
    for b in sizes:
        trial.prepare(b, 0).session(last_batch="drop")
    trial_of_one = trial
    metric = goal.metric if goal else usual_metric(dataset, loss)
    if metric == "val_balanced_accuracy":
        trial = replace(trial, data=balanced(dataset))
    baseline = best_constant(trial.data, metric, loss)
    emit("note", {"text": str(baseline)})
    settings = journal_settings(trial, sizes, rates, each, goal, budget)
    journal = Journal(None if out is None else Path(out), settings, Cell)
    stop = Event()
    options: dict[str, Any] = {"dtype": dtype} if dtype != "float32" else {}
    options |= {"device": device} if device != "cpu" else {}
    if dataset is not data:  # held out here, and there by the same seed
        options["validation"] = 0.2 if validation is None else validation

    def setting_of(pilot: Pilot) -> Setting:
        return Setting(
            data=dataset.name,
            model=model_name or repr(network),
            optimizer=optimizer.describe("lr"),
            target=pilot.target,
            n_train=len(dataset),
            seeds=each,
            command=command,
            environment=environment(threads),
            budget="run to target" if fixed is None else f"fixed {budget.replace(':', ' ')}",
            baseline=pilot.baseline,
            learned=pilot.learned,
            measurable=pilot.measurable,
            instructions=Instructions(optimizer, loss, each[0], train_command, tuple(options.items())),
        )

    with blas_threads(1), quiet_arithmetic():
        if "pilot" in journal.facts:
            pilot = Pilot.from_dict(journal.facts["pilot"])
            emit("note", {"text": f"continuing: {len(journal.cells)} training runs are in the journal"})
        else:
            emit("note", {"text": "pilot: short training runs to find a target and where to search"})
            pilot = run_pilot(trial, sizes, goal, rates, each, stop)
            journal.remember(pilot=asdict(pilot))
        if pilot.trouble and not (goal and pilot.learned):
            emit("note", {"text": pilot.trouble})
            result = without_comparison(setting_of(pilot), pilot.trouble)
            if out is not None:
                result.save(out)
            return Study(result)
        how = "given" if goal else "found by the pilot"
        emit("target", {"text": f"{pilot.target} ({how})"})
        per_size = len(each) * (len(rates) if rates else 2 * HALF_WINDOW + 1)
        _estimate(emit, trial, sizes, pilot, per_size, fixed, workers)
        tally = _Tally(emit, per_size * len(sizes))
        search = Search(
            trial,
            each,
            rates,
            pilot.target,
            fixed,
            limit or (half_of_memory() if free is None else free // 2),
            journal,
            tally,
            stop,
        )
        outcomes = _sweep(search, sizes, pilot, workers)
    emit("note", {"text": "timing single networks"})
    times = _time(trial_of_one, sizes, threads, np.random.default_rng(seed), emit)
    trials = [_trials(trial_of_one, outcome, times.wall[:, k]) for k, outcome in enumerate(outcomes)]
    cpu_share = times.cpu_share if free is None else None  # a GPU computes while the processor waits
    result = analyse(trials, replace(setting_of(pilot), cpu_share=cpu_share), seed, limit)
    if out is not None:
        result.save(out)
    return Study(result)


# -------------------------------------------------------------------- the sweep


def _sweep(search: Search, sizes: list[int], pilot: Pilot, workers: int) -> list[Outcome]:
    """Search upwards and downwards from the pilot's batch size, side by side where there are two cores."""
    down = [b for b in reversed(sizes) if b <= pilot.batch_size]
    up = [b for b in sizes if b > pilot.batch_size]

    def chain(part: list[int]) -> list[Outcome]:
        with quiet_arithmetic():  # NumPy's error state belongs to a thread
            return search.chain(part, pilot)

    with ThreadPoolExecutor(max_workers=min(CHAINS, workers)) as pool:
        chains = [pool.submit(chain, down), pool.submit(chain, up)]
        try:
            outcomes = [outcome for future in chains for outcome in future.result()]
        except BaseException:
            # the other chain ends at its next evaluation; what is finished is in the journal
            search.stop.set()
            raise
    return sorted(outcomes, key=lambda outcome: outcome.batch_size)


class _Tally:
    """Counts finished cells for whoever shows progress."""

    def __init__(self, emit: EventHook, planned: int) -> None:
        self.emit, self.done, self.total = emit, 0, planned

    def __call__(self, done: int, more: int, best: str) -> None:
        self.done += done
        self.total += more
        total = max(self.total, self.done, 1)
        text = f"{self.done}/{total}  {best}"
        self.emit("progress", {"share": self.done / total, "text": text, "done": self.done, "total": total})


def _time(trial: Trial, sizes: list[int], threads: int | None, rng: np.random.Generator, emit: EventHook) -> StepTimes:
    """Time single networks; once more where a larger batch took less time than a smaller one."""
    for again in (True, False):
        times = measure_steps(trial.still(0), sizes, threads, rng, visits=VISITS, seconds=VISIT_SECONDS)
        if not (again and falling(sizes, times.wall)):
            break
        emit("note", {"text": "timing again: a larger batch took less time than a smaller one"})
    return times


def _trials(trial: Trial, outcome: Outcome, visits: HostArray) -> Trials:
    memory = Plan(trial.prepare(outcome.batch_size, 0).recipe.requests()).bytes()
    labelled = outcome.cells[0][0].val_accuracy is not None
    return Trials(
        batch_size=outcome.batch_size,
        full=outcome.batch_size == len(trial.data),
        learning_rates=np.array(outcome.learning_rates),
        steps=outcome.table(lambda c: c.steps_to_target),
        diverged=outcome.table(lambda c: c.diverged).astype(bool),
        train_loss=outcome.table(lambda c: c.train_loss),
        val_accuracy=outcome.table(lambda c: c.val_accuracy or 0.0) if labelled else None,
        max_steps=outcome.max_steps,
        step_seconds=float(np.median(visits)),
        given=outcome.table(lambda c: c.steps),
        visits=visits,
        memory_bytes=memory,
        curves=[_curve(row) for row in outcome.cells],
    )


def _curve(row: list[Cell]) -> Curve:
    """Return the curve of the training run that is in the middle of its seeds."""
    middle = sorted(row, key=lambda c: (c.steps_to_target, c.steps))[len(row) // 2]
    points = [point for point in middle.curve if all(map(math.isfinite, point))]
    steps, losses, metrics = zip(*points, strict=True) if points else ((), (), ())
    return Curve(tuple(steps), tuple(losses), tuple(metrics))


# -------------------------------------------------------------------- what it will take


def _estimate(
    emit: EventHook,
    trial: Trial,
    sizes: list[int],
    pilot: Pilot,
    per_size: int,
    fixed: Callable[[int], int] | None,
    workers: int,
) -> None:
    """State how long the sweep will take and how much memory, from the pilot's speed."""
    seconds = 0.0
    for b in sizes:
        steps = fixed(b) if fixed else 1.2 * pilot.steps * max(1.0, pilot.batch_size / b)
        # half of a step is for the weights, half for the examples: near enough for an estimate
        seconds += steps * per_size * pilot.replica_step_seconds * (0.5 + 0.5 * b / pilot.batch_size)
    one = Plan(trial.prepare(sizes[-1], 0).recipe.requests()).bytes()
    memory = min(one * per_size, max(one, half_of_memory())) * min(CHAINS, workers)
    seconds /= min(CHAINS, workers)
    text = (
        f"about {words.seconds(seconds)} and at most {format_bytes(memory)} for {per_size * len(sizes)} training runs"
    )
    emit("estimate", {"text": text, "seconds": seconds, "bytes": memory})
