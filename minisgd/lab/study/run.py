"""The study: which batch size and learning rate to use, answered by training at all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from minisgd.backend import Plan, get_ops
from minisgd.backend.cpu.threads import blas_threads, choose_threads
from minisgd.data import Dataset
from minisgd.lab import words
from minisgd.lab.environment import environment, half_of_memory
from minisgd.lab.study.analysis import Setting, Trials, analyse
from minisgd.lab.study.arguments import (
    fixed_steps,
    given_target,
    journal_settings,
    resolve_seeds,
)
from minisgd.lab.study.cell import Cell, Journal
from minisgd.lab.study.grid import HALF_WINDOW, resolve_batch_sizes, resolve_learning_rates
from minisgd.lab.study.pilot import Pilot, run_pilot
from minisgd.lab.study.result import Curve, Recommendation, StudyResult
from minisgd.lab.study.sweep import Outcome, Search
from minisgd.lab.timing.clock import time_steps
from minisgd.lab.trial import Trial, with_validation
from minisgd.nn import Loss, Network
from minisgd.optim import SGD, Optimizer
from minisgd.training.memory import format_bytes, parse_bytes
from minisgd.training.session import quiet_arithmetic

EventHook = Callable[[str, Mapping[str, Any]], None]

CHAINS = 2
"""Searches side by side: upwards and downwards from the pilot's batch size."""

VISITS, VISIT_SECONDS = 7, 0.01
"""How often and how long a step of a single network is timed: a fraction of the whole study."""


@dataclass(frozen=True)
class Study:
    """A finished study: the answer, everything measured, and the report."""

    result: StudyResult

    @property
    def recommendation(self) -> Recommendation:
        """Batch size, learning rate, predicted seconds and bytes, why, runner-up and how sure."""
        return self.result.recommendation

    def save(self, folder: str | Path) -> Path:
        """Write study.json, report.html and its pictures; return the path of the report.

        Errors: OutputError if the folder cannot be written; MissingExtraError without matplotlib and jinja2.
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
    on_event: EventHook | None = None,
) -> Study:
    """Find the batch size and learning rate to train a network with, by training it at all of them.

    Every batch size is tuned: learning rates on a log grid that extends itself until the best is interior,
    each with the same seeds. Training runs run as replicas of one program until they reach the target. Step time
    and memory are those of single networks.

    network: only described, its weights (if any) are not used   data: with a validation split, or 20% is held out
    optimizer: SGD with momentum 0.9 by default; its learning rate is what the study tunes
    batch_sizes: integers and "full"; powers of four from 1 to N and full by default
    learning_rates: a grid of your own, which then is not extended   seeds: how many
    target_accuracy, target_loss: on the validation split; by default a pilot finds a target
    budget: "target", "epochs:N" or "steps:N"   memory_limit: bytes, or text such as "512MiB"; a batch size that
    needs more is not recommended
    out: a folder whose journal takes every finished training run; the same study continues from it
    on_event: called with (kind, facts), kind one of "note", "estimate", "target", "progress"

    Errors: ArgumentError, DataError or ShapeError for input that does not fit; OutputError if out cannot be written.
    """
    emit: EventHook = on_event or (lambda kind, facts: None)
    dataset = with_validation(data, validation, seed)
    sizes = resolve_batch_sizes(batch_sizes, len(dataset))
    rates = resolve_learning_rates(learning_rates)
    goal = given_target(target_accuracy, target_loss)
    fixed = fixed_steps(budget, len(dataset))
    limit = None if memory_limit is None else parse_bytes(memory_limit)
    each = resolve_seeds(seeds, seed)
    optimizer = optimizer or SGD(lr=0.1, momentum=0.9)
    ops = get_ops(device)
    device, free = ops.device, ops.free_memory()
    # a GPU works on one stack at a time
    workers = choose_threads(math.inf, threads) if free is None else 1
    trial = Trial(network, dataset, optimizer, loss, dtype, device, threads=max(1, workers // CHAINS))
    trial.prepare(sizes[-1], 0)  # refuses what does not fit together before anything is written
    for b in sizes:
        trial.prepare(b, 0).session(last_batch="drop")
    settings = journal_settings(trial, sizes, rates, each, goal, budget)
    journal = Journal(None if out is None else Path(out), settings, Cell)
    stop = Event()
    with blas_threads(1), quiet_arithmetic():
        if "pilot" in journal.facts:
            pilot = Pilot.from_dict(journal.facts["pilot"])
            emit("note", {"text": f"continuing: {len(journal.cells)} training runs are in the journal"})
        else:
            emit("note", {"text": "pilot: short training runs to find a target and where to search"})
            pilot = run_pilot(trial, sizes, goal, rates, each, stop)
            journal.remember(pilot=asdict(pilot))
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
    rng = np.random.default_rng(seed)
    visits = time_steps(trial.still(0), sizes, threads, rng, visits=VISITS, seconds=VISIT_SECONDS)
    step_seconds = np.median(visits, axis=0).tolist()
    setting = Setting(
        data=dataset.name,
        model=model_name or repr(network),
        optimizer=optimizer.describe("lr"),
        target=pilot.target,
        n_train=len(dataset),
        seeds=each,
        command=command,
        environment=environment(threads),
        budget="run to target" if fixed is None else f"fixed {budget.replace(':', ' ')}",
    )
    trials = [_trials(trial, outcome, t) for outcome, t in zip(outcomes, step_seconds, strict=True)]
    result = analyse(trials, setting, seed, limit)
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


def _trials(trial: Trial, outcome: Outcome, step_seconds: float) -> Trials:
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
        step_seconds=step_seconds,
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
    """Say how long the sweep will take and how much memory, from the pilot's speed."""
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
