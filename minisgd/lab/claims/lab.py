"""The laboratory: the reader's data and network, and what every experiment on them shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from time import perf_counter, thread_time
from typing import Any, TypeVar

from minisgd.backend.cpu.threads import blas_threads
from minisgd.data import Dataset
from minisgd.lab.claims.experiment import Experiment, Unsuitable
from minisgd.lab.claims.setting import OPTIMIZERS, PLAIN, Setting
from minisgd.lab.deadline import Deadline
from minisgd.lab.environment import half_of_memory
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.elsewhere import opened_trial
from minisgd.lab.study.journal import Journal
from minisgd.lab.study.pilot import Pilot
from minisgd.lab.study.pilot_runs import PilotRuns, judge_pilot, train_pilot
from minisgd.lab.study.stack import Stopped
from minisgd.lab.study.workers import Workers
from minisgd.lab.timing.clock import SECONDS, VISITS
from minisgd.lab.trial import Trial
from minisgd.training.arithmetic import quiet_arithmetic

SMALLEST, LARGEST, RATIO = 4, 1024, 4
"""Batch sizes that experiments compare unless they say otherwise: 4, 16, 64, 256, 1024."""

FEWEST_SIZES = 3
"""A curve against batch size needs three."""

METRIC = "val_loss"
"""The metric of targets: it goes on falling when all examples are right."""

FEWEST_RATES = 4
"""A best learning rate among fewer is nearly always on an edge."""

HURRIED_VISITS = 7
"""Visits to everything timed where the budget is short."""


class _Full(int):
    """A batch size that stands for all training examples, whose number an experiment does not know beforehand."""

    def __str__(self) -> str:
        return "full"

    def __reduce__(self) -> str:
        return "FULL"  # the same one in every process


FULL = _Full(0)


T = TypeVar("T")


def default_sizes(n: int) -> tuple[int, ...]:
    """Return the batch sizes that N examples allow; the largest leaves at least five batches in four epochs."""
    return tuple(SMALLEST * RATIO**k for k in range(5) if SMALLEST * RATIO**k <= min(LARGEST, 0.8 * n))


@dataclass
class Lab:
    """The laboratory: what every experiment of one run works with.

    Attributes:
        base: The reader's network, data and loss, from which settings depart.
        seeds: Of the training runs, paired across everything compared.
        sizes: Batch sizes that experiments compare.
        threads: BLAS threads of what is measured alone.
        folder: Of the journals, or None to keep everything in memory.
        settings: All that a journal depends on, apart from the experiment itself.
        stop: Set when the time is up.
        pace: Seconds of the clock and of the processor that pilots took: on a busy machine the first are more.
        on_cells: Called with the number of training runs just finished.
        visits, visit_seconds: Of the clock, to everything that is timed.
        coarse: Whether only every other learning rate is tried.
        workers: Who makes experiments and trains pilots.
    """

    base: Trial
    seeds: tuple[int, ...]
    sizes: tuple[int, ...]
    threads: int | None
    folder: Path | None
    settings: Mapping[str, Any]
    stop: Deadline = field(default_factory=Deadline)
    on_cells: Callable[[int], None] = lambda cells: None
    visits: int = VISITS
    visit_seconds: float = SECONDS
    coarse: bool = False
    workers: Workers = field(default_factory=Workers)
    pace: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.facts: Journal[Cell] = Journal(self.folder, self.settings, Cell)
        self._known: dict[str, Any] = {}
        self._locks: dict[str, Lock] = {}
        self._lock = Lock()
        self.full_sizes = self.sizes

    def with_seeds(self, seeds: int) -> Lab:
        """Return this laboratory with the first of its seeds only; pilots and journals are shared."""
        fewer = copy(self)
        fewer.seeds = self.seeds[:seeds]
        return fewer

    @property
    def hurried(self) -> bool:
        """Whether what is timed is visited less often."""
        return self.visits == HURRIED_VISITS

    def hurry(self) -> None:
        """Visit what is timed less often, and for a shorter time."""
        self.visits, self.visit_seconds = HURRIED_VISITS, SECONDS / 2

    def coarsen(self) -> None:
        """Try only every other learning rate of a grid that leaves FEWEST_RATES then."""
        self.coarse = True

    def rates(self, multiples: Sequence[float]) -> list[float]:
        """Return the multiples of the pilot's learning rate that are tried, one itself among them, ascending."""
        grid = sorted(multiples)
        start = min(range(len(grid)), key=lambda k: abs(grid[k] - 1.0)) % 2
        return grid[start::2] if self.coarse and len(grid[start::2]) >= FEWEST_RATES else grid

    def leave_out_the_smallest(self) -> None:
        """Train no longer at the smallest batch size, which takes most steps, where enough others remain."""
        if len(self.sizes) > FEWEST_SIZES:
            self.sizes = self.sizes[1:]

    def leave_out_the_largest(self) -> None:
        """Train no longer at the largest batch size, whose steps take longest, where enough others remain."""
        if len(self.sizes) > FEWEST_SIZES:
            self.sizes = self.sizes[:-1]

    @property
    def data(self) -> Dataset:
        """The reader's data."""
        return self.base.data

    @property
    def seed(self) -> int:
        """The first seed: of whatever is drawn once."""
        return self.seeds[0]

    @property
    def stack_bytes(self) -> int:
        """Memory for the replicas that one worker trains at once."""
        return half_of_memory() // 4

    def check_time(self) -> None:
        """Raise Stopped where the time is up."""
        if self.stop.is_set():
            raise Stopped

    def trial(self, setting: Setting = PLAIN) -> Trial:
        """Return what the training runs of a setting share.

        Raises:
            Unsuitable: The data or the network do not allow the setting.
        """
        return self._once(f"trial {setting.name}", partial(self._trial, setting))

    def _trial(self, setting: Setting) -> Trial:
        return replace(
            self.base,
            network=setting.network(self.base.network, self.data),
            data=setting.data(self.data, self.seed),
            optimizer=OPTIMIZERS[setting.optimizer](setting.weight_decay),
        )

    def pilot(self, setting: Setting = PLAIN, target_of: Setting | None = None) -> Pilot:
        """Return a few short training runs that say what can be reached, how fast, and at which learning rate.

        target_of: the setting whose pilot sets the target, by default that of the same problem under plain SGD
        """
        goal_of = target_of or setting.problem
        name = f"pilot {setting.name}" + ("" if goal_of == setting else f" to {goal_of.name}")
        return self._once(name, partial(self._pilot, name, setting, goal_of))

    def _pilot(self, name: str, setting: Setting, goal_of: Setting) -> Pilot:
        if name in self.facts.facts:
            return Pilot.from_dict(self.facts.facts[name])
        goal = None if goal_of == setting else self.pilot(goal_of, goal_of).target
        runs = self._once(f"pilot runs {setting.name}", partial(self._pilot_runs, setting))
        pilot = judge_pilot(runs, self.trial(setting), METRIC, goal)
        self.facts.remember(**{name: asdict(pilot)})
        return pilot

    def _pilot_runs(self, setting: Setting) -> PilotRuns:
        self.check_time()
        trial, near = self.trial(setting), None
        kin = Setting(setting.optimizer.partition("-")[0])
        if setting != kin and kin.optimizer in ("sgd", "adam") and setting.model is None:
            # a departure from the reader's problem, or from Adam's betas, moves its best rate by less than a decade
            near = [self.pilot(kin).lr * 10 ** (k / 2) for k in range(-2, 3)]
        sizes = self.within(trial)
        made: tuple[PilotRuns, float, float] = self.workers.call(
            f"pilot {setting.name}", self.stop, timed_pilot, trial, sizes, near, self.seeds
        )
        runs, seconds, worked = made
        self.pace[setting.name] = seconds, worked
        return replace(runs, replica_step_seconds=runs.replica_step_seconds * worked / seconds)

    def trouble(self) -> str:
        """Say that nothing is learned from the reader's data, where that is so; empty where something is."""
        pilot = self.pilot()
        return "" if pilot.learned else pilot.trouble

    def goal(self, setting: Setting = PLAIN, target_of: Setting | None = None) -> Pilot:
        """Return the pilot of a setting whose target can be learned.

        Raises:
            Unsuitable: It cannot.
        """
        source = self.pilot(target_of or setting.problem)
        if not source.learned:
            raise Unsuitable(source.trouble[0].lower() + source.trouble[1:].rstrip("."))
        return self.pilot(setting, target_of)

    def held(self, trial: Trial, sizes: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return those batch sizes, by default all that are compared, that the training set of a trial holds.

        FULL is all of it.

        Raises:
            Unsuitable: Too few remain for a curve.
        """
        n, wanted = len(trial.data), sizes or self.full_sizes
        found = tuple(n if b is FULL else b for b in wanted if b <= n)
        if len(found) < min(FEWEST_SIZES, len(wanted)):
            raise Unsuitable(f"{n} examples leave too few batch sizes to compare")
        return found

    def within(self, trial: Trial, sizes: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return the same of what is trained at, from which the smallest and the largest may be left out.

        Raises:
            Unsuitable: Too few remain for a curve.
        """
        found = self.held(trial, sizes)
        kept = tuple(b for b in found if b >= self.sizes[0] and (b <= self.sizes[-1] or b not in self.full_sizes))
        return kept if len(kept) >= FEWEST_SIZES else found

    def journal(self, experiment: Experiment[Any]) -> Journal[Any]:
        """Return the journal of an experiment's training runs, with whatever an interrupted run left in it."""
        name = experiment.name
        if self.sizes != self.full_sizes:
            # what grows from the smallest size, or to the largest, is another training run
            name += f"-from-{self.sizes[0]}-to-{self.sizes[-1]}"
        folder = None if self.folder is None else self.folder / "training-runs" / name
        assert experiment.entries is not None
        return self._once(f"journal {name}", partial(Journal, folder, self.settings, experiment.entries))

    def _once(self, name: str, make: Callable[[], T]) -> T:
        """Return what was made under a name, or make it; others who ask meanwhile wait."""
        with self._lock:
            lock = self._locks.setdefault(name, Lock())
        with lock:
            if name not in self._known:
                self._known[name] = make()
            made: T = self._known[name]
            return made


def timed_pilot(
    trial: Trial, sizes: Sequence[int], rates: Sequence[float] | None, seeds: Sequence[int], stop: Deadline
) -> tuple[PilotRuns, float, float]:
    """Train a pilot, here or on a worker; return its training runs, their seconds, and those of the processor."""
    begun, worked = perf_counter(), thread_time()
    with blas_threads(1), quiet_arithmetic():
        runs = train_pilot(opened_trial(trial), sizes, METRIC, rates, seeds, stop)
    seconds = perf_counter() - begun
    return runs, seconds, max(thread_time() - worked, seconds / 100)  # a GPU works while the processor waits
