"""The course of a study: a pilot, a search at every batch size, and the step times of single networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from threading import Event
from time import perf_counter, process_time
from typing import Any

import numpy as np

from minisgd.lab import words
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.grid import HALF_WINDOW
from minisgd.lab.study.journal import Journal
from minisgd.lab.study.outcome import Outcome, too_short
from minisgd.lab.study.pilot import Pilot
from minisgd.lab.study.pilot_runs import run_pilot, seconds_of_pilot
from minisgd.lab.study.stack import Stopped
from minisgd.lab.study.sweep import FIRST_SEEDS, Search
from minisgd.lab.study.target import Target
from minisgd.lab.study.workers import Threads, Workers
from minisgd.lab.timing.clock import StepTimes, measure_steps
from minisgd.lab.timing.fit import falling
from minisgd.lab.trial import Trial
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.memory import format_bytes
from minisgd.typing import Generator

EventHook = Callable[[str, Mapping[str, Any]], None]

CHAINS = 2
"""Searches side by side: upwards and downwards from the pilot's batch size."""

AT_ONCE = CHAINS * FIRST_SEEDS
"""Stacks that a long search trains at once, where there are the cores: each learning rate's first seeds."""

LONG_PILOT, LONG_SEARCH = 2.0, 6.0
"""Seconds of work from which on several threads are worth what it takes to prepare each of them: in a search every
seed's stacks, at every batch size. Threads with short stacks pass on the interpreter's lock more than they train."""

SHARE_OF_PILOT = 0.25
"""Share of the budget by which the pilot is over."""

SHARE_OF_SEARCH = 0.9
"""Share of the budget by which the search is over; timing and the report take the rest."""

AFTERWARDS = 3.0
"""Seconds that they take at least on a quiet machine."""

VISITS, VISIT_SECONDS = 7, 0.01
"""How often and how long a step of a single network is timed: a fraction of the whole study."""


@dataclass(frozen=True)
class Course:
    """What is settled before a study trains anything.

    trial: what is trained   timed: the same on the data as they are, for step times and memory
    goal: the target that was asked for, if any   fixed: steps at a batch size, or None to run to the target
    seconds: the budget, from begun on by time.perf_counter   worked: time.process_time then
    stack_bytes: memory for a stack of replicas   threads: as asked for   cores: as there are
    workers: who trains the stacks
    """

    trial: Trial
    timed: Trial
    sizes: list[int]
    rates: list[float] | None
    seeds: tuple[int, ...]
    goal: Target | None
    fixed: Callable[[int], int] | None
    seconds: float
    stack_bytes: int
    threads: int | None
    cores: int
    seed: int
    journal: Journal[Cell]
    emit: EventHook
    begun: float
    worked: float
    workers: Workers
    stop: Event = field(default_factory=Event)

    def note(self, text: str) -> None:
        self.emit("note", {"text": text})

    @property
    def budget(self) -> str:
        """The time for the whole study, in words."""
        return words.seconds(self.seconds)

    # ---------------------------------------------------------------- the pilot

    def pilot(self) -> Pilot:
        """Return the pilot that the journal holds, or run one.

        Raises:
            ArgumentError: Time was up before anything was trained.
        """
        if "pilot" in self.journal.facts:
            self.note(f"continuing: {len(self.journal.cells)} training runs are in the journal")
            return Pilot.from_dict(self.journal.facts["pilot"])
        self.note("pilot: short training runs to find a target and where to search")
        deadline = self.begun + SHARE_OF_PILOT * self.seconds
        trial = replace(self.trial, threads=self._threads_of_pilot)
        try:
            pilot = run_pilot(trial, self.sizes, self.goal, self.rates, self.seeds, self.stop, deadline=deadline)
        except Stopped:
            raise too_short(self.budget) from None
        self.journal.remember(pilot=asdict(pilot))
        return pilot

    @cached_property
    def _threads_of_pilot(self) -> int:
        long = self.cores > 1 and seconds_of_pilot(self.trial, self.sizes, self.rates) > LONG_PILOT
        return self.cores if long else 1

    # ---------------------------------------------------------------- the search

    def search(self, pilot: Pilot) -> list[Outcome]:
        """Search the learning rate at every batch size, within the time that is left."""
        first = min(FIRST_SEEDS, len(self.seeds))
        racing = first * (len(self.rates) if self.rates else 2 * HALF_WINDOW + 1)
        per_size = racing + 3 * (len(self.seeds) - first)
        work, at_once, rough = self._work(pilot, per_size), self._chains, {}
        workers, trial = self.workers, self.trial
        if work > LONG_SEARCH and self.cores > 1 and not workers.several:
            at_once = min(self.cores, AT_ONCE)
            workers, trial = Threads(at_once), replace(trial, threads=self.cores // at_once)
        expected = work / at_once
        self._estimate(expected, at_once, per_size)
        if expected > self._end_of_search() - perf_counter():
            self.note(f"more than the budget of {self.budget} allows: what it leaves open is said")
            times = self._measure(self.sizes, np.random.default_rng(self.seed), visits=1, seconds=0)
            rough = dict(zip(self.sizes, times.wall[0].tolist(), strict=True))
        search = Search(
            trial,
            self.seeds,
            self.rates,
            pilot.target,
            self.fixed,
            self.stack_bytes,
            self.journal,
            _Tally(self.emit, racing * len(self.sizes), self._clock),
            self.stop,
            deadline=self._end_of_search(),
            step_seconds=rough,
            workers=workers,
        )
        try:
            return self._side_by_side(search, pilot)
        finally:
            if workers is not self.workers:  # which time single networks afterwards
                workers.close()

    def _clock(self) -> str:
        """Say how much of the budget is used: 45 s of 5 min; nothing where there is none."""
        return f", {words.seconds(perf_counter() - self.begun)} of {self.budget}" if math.isfinite(self.seconds) else ""

    def _end_of_search(self) -> float:
        """Return by when the search is over: earlier on a machine that gave this process a part of its time so far."""
        pace = self._threads_of_pilot * (perf_counter() - self.begun) / max(process_time() - self.worked, 1e-9)
        afterwards = min(AFTERWARDS * max(1.0, pace), self.seconds / 3)
        return self.begun + min(SHARE_OF_SEARCH * self.seconds, self.seconds - afterwards)

    def _work(self, pilot: Pilot, per_size: int) -> float:
        """Return about how long the search takes a single core, from the pilot's speed."""
        seconds = 0.0
        for b in self.sizes:
            # as if the pilot's batch size were the critical one: twice the fewest steps, and fewer at larger ones
            steps = self.fixed(b) if self.fixed else 1.4 * pilot.steps * (1 + pilot.batch_size / b) / 2
            seconds += per_size * pilot.seconds(b, steps)
        return seconds

    def _estimate(self, seconds: float, at_once: int, per_size: int) -> None:
        """State how long the search will take and how much memory, with so many stacks at once."""
        one = self.trial.bytes(self.sizes[-1])
        room = max(one, self.stack_bytes)
        memory, runs = min(one * per_size * self._chains, room * at_once), per_size * len(self.sizes)
        cut = ", stacks cut to fit into that," if one * per_size > room else ""
        text = f"about {words.seconds(seconds)} and at most {format_bytes(memory)}{cut} for {runs} training runs"
        self.emit("estimate", {"text": text, "seconds": seconds, "bytes": memory})

    @property
    def _chains(self) -> int:
        return CHAINS if self.workers.several else min(CHAINS, self.cores)

    def _side_by_side(self, search: Search, pilot: Pilot) -> list[Outcome]:
        """Search upwards and downwards from the pilot's batch size, at once where there are two cores."""
        down = [b for b in reversed(self.sizes) if b <= pilot.batch_size]
        up = [b for b in self.sizes if b > pilot.batch_size]

        def chain(part: list[int]) -> list[Outcome]:
            with quiet_arithmetic():  # NumPy's error state belongs to a thread
                return search.chain(part, pilot)

        with ThreadPoolExecutor(max_workers=self._chains) as pool:
            chains = [pool.submit(chain, down), pool.submit(chain, up)]
            try:
                outcomes = [outcome for future in chains for outcome in future.result()]
            except BaseException:
                # the other chain ends at its next evaluation; what is finished is in the journal
                self.stop.set()
                raise
        return sorted(outcomes, key=lambda outcome: outcome.batch_size)

    # ---------------------------------------------------------------- step times

    def time(self, sizes: list[int]) -> StepTimes:
        """Time single networks; once more where a larger batch took less time than a smaller one."""
        self.note("timing single networks")
        rng = np.random.default_rng(self.seed)
        times = self._measure(sizes, rng)
        if falling(sizes, times.wall):
            self.note("timing again: a larger batch took less time than a smaller one")
            times = self._measure(sizes, rng)
        return times

    def _measure(
        self, sizes: list[int], rng: Generator, visits: int = VISITS, seconds: float = VISIT_SECONDS
    ) -> StepTimes:
        measure = partial(measure_steps, visits=visits, seconds=seconds)
        by_kind: dict[str, StepTimes] = self.workers.alone(measure, self.timed.still(0), sizes, self.threads, rng)
        (first, times), *others = by_kind.items()
        for kind, theirs in others:
            ratio = float(np.median(np.median(theirs.wall, axis=0) / np.median(times.wall, axis=0)))
            self.note(f"a step takes {ratio:.2g} times as long on {kind} as on {first}, whose times count")
        return times


class _Tally:
    """Counts finished training runs for whoever shows progress, with the best so far and what the clock says."""

    def __init__(self, emit: EventHook, planned: int, clock: Callable[[], str]) -> None:
        self.emit, self.done, self.total, self.clock = emit, 0, planned, clock

    def __call__(self, done: int, more: int, best: str) -> None:
        self.done += done
        self.total += more
        total = max(self.total, self.done, 1)
        text = f"{self.done}/{total}{self.clock()}  {best}"
        self.emit("progress", {"share": self.done / total, "text": text, "done": self.done, "total": total})
