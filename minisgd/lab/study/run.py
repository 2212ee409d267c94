"""The study: which batch size and learning rate to use, answered by training at all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from minisgd.backend import get_ops
from minisgd.backend.cpu.threads import blas_threads, choose_threads
from minisgd.checks import as_path, require_function
from minisgd.data import Dataset
from minisgd.errors import MemoryLimitError, ShapeError
from minisgd.lab.duration import parse_budget
from minisgd.lab.environment import environment, half_of_memory
from minisgd.lab.study.analysis import Setting, analyse, without_comparison
from minisgd.lab.study.arguments import fixed_steps, given_target, journal_settings, resolve_seeds
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.constant import balanced, best_constant, usual_metric
from minisgd.lab.study.course import AT_ONCE, Course, EventHook
from minisgd.lab.study.executor_workers import workers_of
from minisgd.lab.study.fit import StepsFit
from minisgd.lab.study.grid import resolve_batch_sizes, resolve_learning_rates
from minisgd.lab.study.instructions import Instructions
from minisgd.lab.study.journal import Journal
from minisgd.lab.study.outcome import trials_of, within_budget
from minisgd.lab.study.pilot import Pilot
from minisgd.lab.study.ranks import resolve_ranks, simulate_ranks
from minisgd.lab.study.result import Recommendation, StudyResult
from minisgd.lab.study.surge import is_sign_like, surge_law
from minisgd.lab.timing.all_reduce import AllReduce, measure_all_reduce
from minisgd.lab.timing.fit import StepTimeFit
from minisgd.lab.trial import Trial, with_validation
from minisgd.nn import Network
from minisgd.nn.losses import LossLike, as_loss
from minisgd.optim import SGD, Optimizer, as_optimizer
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.memory import format_bytes, parse_bytes


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
        """Write study.json and report.html.

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
    executor: Any = None,
    ranks: Sequence[int] | None = None,
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
        executor: Who trains: an executor as in ``concurrent.futures``, such as joblib's
            ``joblib.externals.loky.get_reusable_executor(8)``, or a ``dask.distributed.Client``; by default this
            process. Every worker uses one thread. What is found does not depend on it.
        ranks: Numbers of ranks, such as [1, 8, 64], whose time to the target is simulated, from what is measured here
            and an all-reduce by two of them.

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
    begun, worked = perf_counter(), process_time()
    emit: EventHook = on_event or (lambda kind, facts: None)
    seconds = parse_budget(budget)
    dataset = with_validation(data, validation, seed)
    sizes = resolve_batch_sizes(batch_sizes, len(dataset))
    rates = resolve_learning_rates(learning_rates)
    targets = {"accuracy": target_accuracy, "balanced_accuracy": target_balanced_accuracy, "r2": target_r2}
    goal = given_target(dataset, {**targets, "loss": target_loss})
    fixed = fixed_steps(train_for, len(dataset))
    limit = None if memory_limit is None else parse_bytes(memory_limit)
    each = resolve_seeds(seeds, seed)
    simulated = resolve_ranks(ranks)
    all_reduce = measure_all_reduce() if simulated else None
    optimizer = as_optimizer(SGD(lr=0.1) if optimizer is None else optimizer)
    loss = None if loss is None else as_loss(loss)
    ops = get_ops(device)
    free = ops.free_memory()
    workers = workers_of(executor, lambda text: emit("note", {"text": text}))
    # a GPU works on one stack at a time
    cores = choose_threads(math.inf, threads) if free is None else 1
    timed = Trial(network, dataset, optimizer, loss, dtype, ops.device)
    room = half_of_memory() if free is None else free // 2
    sizes = _trainable(timed, sizes, room, emit, chosen=batch_sizes is None)
    metric = goal.metric if goal else usual_metric(dataset, loss)
    trial = replace(timed, data=balanced(dataset)) if metric == "val_balanced_accuracy" else timed
    emit("note", {"text": str(best_constant(trial.data, metric, loss))})
    course = Course(
        trial,
        timed,
        sizes,
        rates,
        each,
        goal,
        fixed,
        seconds,
        (limit or room) // min(AT_ONCE, cores),
        threads,
        cores,
        seed,
        Journal(folder, journal_settings(trial, sizes, rates, each, goal, train_for), Cell),
        emit,
        begun,
        worked,
        workers,
    )
    options: dict[str, Any] = {"dtype": dtype} if dtype != "float32" else {}
    options |= {"device": ops.device} if ops.device != "cpu" else {}
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

    with closing(workers), blas_threads(1), quiet_arithmetic():
        result = _answer(course, setting_of, limit)
        if all_reduce is not None:
            result = _simulate(result, timed, simulated, all_reduce)
    if out is not None:
        result.save(out)
    return Study(result)


def _answer(course: Course, setting_of: Callable[[Pilot], Setting], memory_limit: int | None) -> StudyResult:
    """Run the pilot, and compare the batch sizes where it found something to compare them by."""
    pilot = course.pilot()
    setting = setting_of(pilot)
    if pilot.trouble and not (course.goal and pilot.learned):
        course.note(pilot.trouble)
        course.journal.close()
        return without_comparison(setting, pilot.trouble)
    course.emit("target", {"text": f"{pilot.target} ({'given' if course.goal else 'found by the pilot'})"})
    result = _compare(course, pilot, setting, memory_limit)
    if is_sign_like(course.timed.optimizer):
        result = replace(result, surge=surge_law(result.batch_sizes))
    return result


def _compare(course: Course, pilot: Pilot, setting: Setting, memory_limit: int | None) -> StudyResult:
    """Search, time, and turn both into the answer."""
    found = course.search(pilot)
    course.journal.sort()
    course.journal.close()
    outcomes, seen, left_open = within_budget(found, course.sizes, course.seeds, course.budget)
    times = course.time([outcome.batch_size for outcome in outcomes])
    trials = [trials_of(course.timed, o, times.wall[:, k], len(seen)) for k, o in enumerate(outcomes)]
    cpu_share = times.cpu_share if course.timed.device == "cpu" else None  # a GPU computes while the processor waits
    return analyse(
        trials, replace(setting, cpu_share=cpu_share, seeds=seen, left_open=left_open), course.seed, memory_limit
    )


def _simulate(result: StudyResult, trial: Trial, ranks: tuple[int, ...], all_reduce: AllReduce) -> StudyResult:
    """Add what ranks would take, from the recommended batch size; nothing where there is no curve to go by."""
    fit, line, best = result.fit, result.timing, result.recommendation.batch_size
    if fit.s_min is None or fit.e_min is None or line is None or best is None:
        return result
    curve = StepsFit(fit.s_min, fit.e_min, fit.residual or 0.0)
    times = StepTimeFit(line.t0_seconds, line.examples_per_second, line.residual)
    gradient_bytes = trial.prepare(1 if best == 1 else 2, 0).recipe.network.vector.nbytes
    return replace(result, ranks=simulate_ranks(ranks, best, curve, times, all_reduce, gradient_bytes))


def _trainable(trial: Trial, sizes: list[int], room: int, emit: EventHook, *, chosen: bool) -> list[int]:
    """Return the batch sizes at which a single network trains and fits into the room; say which do not fit.

    chosen: by default; then one example alone is left out where it cannot be normalised

    Raises:
        MemoryLimitError: If none fits.
        ShapeError: If network, data and loss do not fit together.
    """
    trial.prepare(sizes[-1], 0)  # refuses what does not fit together before anything is written
    if chosen:
        try:
            trial.prepare(1, 0).session(last_batch="drop")
        except ShapeError:
            sizes = [b for b in sizes if b > 1]
    needed = {b: trial.bytes(b) for b in sizes}
    large = [b for b in sizes if needed[b] > room]
    if len(large) == len(sizes):
        raise MemoryLimitError(
            "batch_sizes",
            expected=f"a training step within {format_bytes(room)}, half of the memory",
            got=f"{format_bytes(needed[sizes[0]])} at batch size {sizes[0]}",
            fix="use smaller batch sizes, or a smaller network",
        )
    for b in large:
        why = f"a step of it needs {format_bytes(needed[b])}, more than half of the memory"
        emit("note", {"text": f"batch size {b} is left out: {why}"})
    left = [b for b in sizes if b not in large]
    for b in left:
        trial.prepare(b, 0).session(last_batch="drop")
    return left
