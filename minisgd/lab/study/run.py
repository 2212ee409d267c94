"""The study: which batch size and learning rate to use, answered by training at all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import Any

import numpy as np

from minisgd.backend import Plan, get_ops
from minisgd.backend.cpu.threads import blas_threads, choose_threads
from minisgd.checks import as_path, require_function
from minisgd.data import Dataset
from minisgd.errors import ArgumentError, ShapeError
from minisgd.lab import words
from minisgd.lab.duration import parse_budget
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
from minisgd.lab.study.pilot import Pilot
from minisgd.lab.study.pilot_runs import run_pilot
from minisgd.lab.study.result import Curve, Recommendation, StudyResult
from minisgd.lab.study.stack import Stopped
from minisgd.lab.study.statistics import best_learning_rate
from minisgd.lab.study.sweep import FIRST_SEEDS, Outcome, Search
from minisgd.lab.timing.clock import StepTimes, measure_steps
from minisgd.lab.timing.fit import falling
from minisgd.lab.trial import Trial, with_validation
from minisgd.nn import Network
from minisgd.nn.losses import LossLike, as_loss
from minisgd.optim import SGD, Optimizer, as_optimizer
from minisgd.training.memory import format_bytes, parse_bytes
from minisgd.training.session import quiet_arithmetic
from minisgd.typing import HostArray

EventHook = Callable[[str, Mapping[str, Any]], None]

CHAINS = 2
"""Searches side by side: upwards and downwards from the pilot's batch size."""

SHARE_OF_PILOT = 0.25
"""Share of the budget by which the pilot is over."""

SHARE_OF_SEARCH = 0.9
"""Share of the budget by which the search is over; timing and the report take the rest."""

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

    def __str__(self) -> str:
        return str(self.result)

    def _repr_html_(self) -> str:
        return self.result._repr_html_()

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
    optimizer: Optimizer | str | None = None,
    loss: LossLike | None = None,
    batch_sizes: Sequence[int | str] | None = None,
    learning_rates: Sequence[float] | None = None,
    seeds: int = 5,
    target_accuracy: float | None = None,
    target_balanced_accuracy: float | None = None,
    target_r2: float | None = None,
    target_loss: float | None = None,
    train_for: str = "target",
    budget: float | str | None = "5min",
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
    the best and its neighbours with the same seeds. Training runs are replicas of one program and end at the target.
    Step time and memory are those of single networks. The procedure is that of Shallue et al. 2019, Measuring the
    effects of data parallelism.

    Args:
        network: The architecture; its weights, if any, are not used.
        data: A data set, or (x, y). Without a validation split, 20% is held out.
        optimizer: An optimizer or its name; SGD(lr=0.1) by default, as in ``ms.train``. Its learning rate is tuned.
        loss: As in ``ms.train``; by default that of the task.
        batch_sizes: Integers and "full"; powers of four from 1 to N and "full" by default.
        learning_rates: A grid of your own, which is not extended.
        seeds: Number of training runs at every batch size and learning rate.
        target_accuracy: Validation accuracy to reach; by default a pilot finds a target.
        target_balanced_accuracy: The mean of the accuracies of all classes to reach instead.
        target_r2: Validation R² to reach instead, of a regression.
        target_loss: Validation loss to reach instead.
        train_for: When a training run ends: at the "target", or after "epochs:N" or "steps:N".
        budget: Time for the whole study, such as 90, "5min" or "1h"; None for all it takes. What it leaves open is
            said.
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
    require_function(on_event, "on_event", "(kind, facts)")
    folder = None if out is None else as_path(out, "out", "folder")
    begun = perf_counter()
    seconds = parse_budget(budget)
    emit: EventHook = on_event or (lambda kind, facts: None)
    dataset = with_validation(data, validation, seed)
    sizes = resolve_batch_sizes(batch_sizes, len(dataset))
    rates = resolve_learning_rates(learning_rates)
    targets = {"accuracy": target_accuracy, "balanced_accuracy": target_balanced_accuracy, "r2": target_r2}
    goal = given_target(dataset, {**targets, "loss": target_loss})
    fixed = fixed_steps(train_for, len(dataset))
    limit = None if memory_limit is None else parse_bytes(memory_limit)
    each = resolve_seeds(seeds, seed)
    optimizer = as_optimizer(optimizer or SGD(lr=0.1))
    loss = None if loss is None else as_loss(loss)
    ops = get_ops(device)
    device, free = ops.device, ops.free_memory()
    # a GPU works on one stack at a time
    workers = choose_threads(math.inf, threads) if free is None else 1
    trial = Trial(network, dataset, optimizer, loss, dtype, device, threads=max(1, workers // CHAINS))
    trial.prepare(sizes[-1], 0)  # refuses what does not fit together before anything is written
    if batch_sizes is None:
        sizes = [b for b in sizes if b > 1 or _trains_on_one(trial)]
    for b in sizes:
        trial.prepare(b, 0).session(last_batch="drop")
    trial_of_one = trial
    metric = goal.metric if goal else usual_metric(dataset, loss)
    if metric == "val_balanced_accuracy":
        trial = replace(trial, data=balanced(dataset))
    baseline = best_constant(trial.data, metric, loss)
    emit("note", {"text": str(baseline)})
    settings = journal_settings(trial, sizes, rates, each, goal, train_for)
    journal = Journal(folder, settings, Cell)
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
            budget="run to target" if fixed is None else f"fixed {train_for.replace(':', ' ')}",
            baseline=pilot.baseline,
            learned=pilot.learned,
            measurable=pilot.measurable,
            instructions=Instructions(
                optimizer, pilot.target.metric, len(dataset), loss, each[0], train_command, tuple(options.items())
            ),
        )

    with blas_threads(1), quiet_arithmetic():
        if "pilot" in journal.facts:
            pilot = Pilot.from_dict(journal.facts["pilot"])
            emit("note", {"text": f"continuing: {len(journal.cells)} training runs are in the journal"})
        else:
            emit("note", {"text": "pilot: short training runs to find a target and where to search"})
            try:
                pilot = run_pilot(trial, sizes, goal, rates, each, stop, deadline=begun + SHARE_OF_PILOT * seconds)
            except Stopped:
                raise _too_short(words.seconds(seconds)) from None
            journal.remember(pilot=asdict(pilot))
        if pilot.trouble and not (goal and pilot.learned):
            emit("note", {"text": pilot.trouble})
            result = without_comparison(setting_of(pilot), pilot.trouble)
            if out is not None:
                result.save(out)
            journal.close()
            return Study(result)
        how = "given" if goal else "found by the pilot"
        emit("target", {"text": f"{pilot.target} ({how})"})
        first = min(FIRST_SEEDS, len(each))
        per_size = first * (len(rates) if rates else 2 * HALF_WINDOW + 1) + 3 * (len(each) - first)
        expected = _estimate(emit, trial, sizes, pilot, per_size, fixed, workers)
        short = expected > SHARE_OF_SEARCH * (seconds - (perf_counter() - begun))
        rough = {}
        if short:
            emit(
                "note",
                {"text": f"more than the budget of {words.seconds(seconds)} allows: what it leaves open is said"},
            )
            times = measure_steps(
                trial_of_one.still(0), sizes, threads, np.random.default_rng(seed), visits=1, seconds=0
            )
            rough = dict(zip(sizes, times.wall[0].tolist(), strict=True))
        tally = _Tally(emit, first * (len(rates) if rates else 2 * HALF_WINDOW + 1) * len(sizes))
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
            first,
            deadline=begun + SHARE_OF_SEARCH * seconds,
            step_seconds=rough,
        )
        outcomes = _sweep(search, sizes, pilot, workers)
    emit("note", {"text": "timing single networks"})
    journal.sort()
    journal.close()
    outcomes, seen, left_open = _within_budget(outcomes, sizes, each, words.seconds(seconds))
    sizes = [outcome.batch_size for outcome in outcomes]
    times = _time(trial_of_one, sizes, threads, np.random.default_rng(seed), emit)
    trials = [_trials(trial_of_one, outcome, times.wall[:, k], len(seen)) for k, outcome in enumerate(outcomes)]
    cpu_share = times.cpu_share if free is None else None  # a GPU computes while the processor waits
    setting = replace(setting_of(pilot), cpu_share=cpu_share, seeds=seen, left_open=left_open)
    result = analyse(trials, setting, seed, limit)
    if out is not None:
        result.save(out)
    return Study(result)


def _trains_on_one(trial: Trial) -> bool:
    """Tell whether a batch of one example can be normalised, where it is normalised at all."""
    try:
        trial.prepare(1, 0).session(last_batch="drop")
    except ShapeError:
        return False
    return True


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


def _within_budget(
    outcomes: list[Outcome], sizes: list[int], seeds: tuple[int, ...], budget: str
) -> tuple[list[Outcome], tuple[int, ...], tuple[str, ...]]:
    """Return the outcomes that say something, the seeds that all of them have, and what was left open, in sentences.

    Raises:
        ArgumentError: There was no time for any batch size.
    """
    said = [outcome for outcome in outcomes if outcome.cells]
    if not said:
        raise _too_short(budget)
    sentences = []
    missing = [str(b) for b in sizes if b not in [outcome.batch_size for outcome in said]]
    if missing:
        sentences.append(f"The budget of {budget} left no time for batch size {words.join(missing)}.")
    reached = [o for o in said if np.isfinite(o.table(lambda c: c.steps_to_target)).any()]
    cut = [o for o in said if o.cut and o not in reached]
    if cut:
        which = words.join([f"{o.batch_size} (after {words.count(o.max_steps)} steps)" for o in cut])
        sentences.append(
            f"The budget of {budget} left batch size {which} open: stopped before the target, for taking long "
            "already or for want of time."
        )
    fewest = min([_complete(o) for o in reached or said])
    if fewest < len(seeds):
        sentences.append(f"The budget of {budget} allowed {words.plural(fewest, 'seed')} instead of {len(seeds)}.")
    return said, seeds[:fewest], tuple(sentences)


def _too_short(budget: str) -> ArgumentError:
    return ArgumentError("budget", expected="time for one batch size at least", got=budget, fix="allow more")


def _complete(outcome: Outcome) -> int:
    """Return the number of seeds that the best learning rate of a batch size was tried with."""
    steps = outcome.table(lambda c: c.steps_to_target)
    losses = outcome.table(lambda c: c.train_loss)
    best = best_learning_rate(outcome.learning_rates, steps, losses, outcome.ran)
    return len(outcome.cells[best.index])


def _trials(trial: Trial, outcome: Outcome, visits: HostArray, seeds: int) -> Trials:
    rows = [row[:seeds] for row in outcome.cells]
    if outcome.cut:  # a seed for which there was no time is one that took longer than that
        rows = [[*row, *[replace(row[-1], steps_to_target=math.inf)] * (seeds - len(row))] for row in rows]
    outcome = replace(outcome, cells=rows)
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
        ran=outcome.ran,
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
) -> float:
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
    return seconds
