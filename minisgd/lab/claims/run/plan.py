"""The plan: which experiments the claims need, each once, and how a budget is spent on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from minisgd.backend.cpu.threads import blas_threads
from minisgd.errors import MinisgdError, OutputError
from minisgd.lab import words
from minisgd.lab.claims.claim import Claim
from minisgd.lab.claims.experiment import Experiment, Unsuitable
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.run.elsewhere import make
from minisgd.lab.study.stack import Stopped
from minisgd.training.arithmetic import quiet_arithmetic

WORKERS = 2

FEWEST = 3
"""Seeds below which an experiment is left out rather than made smaller: t intervals of two are 13 standard errors."""

PILOTS = 0.3
"""Share of the budget after which experiments begin, whose pilots are not all made: they make them themselves then."""

MORE = 5
"""Seeds between the fewest and all: t intervals have become half as wide."""

SLACK = 1.3
"""Times the estimate of all training runs that must fit, or they become smaller."""

MARGIN = 1.2
"""Times the estimate of all single measurements that is kept for them, at least: more on a busy machine."""


@dataclass(frozen=True)
class Missing:
    """An experiment that was not made, and why, as a clause.

    late: for want of time
    """

    why: str
    late: bool = False


@dataclass(frozen=True)
class Outcome:
    """The result of an experiment, or Missing, the seconds spent on it, and how many seeds it had."""

    result: Any
    seconds: float
    seeds: int = 0


def experiments_of(claims: Iterable[Claim]) -> dict[Experiment[Any], int]:
    """Return every experiment that the claims need, once, with the number of claims that read it."""
    readers: dict[Experiment[Any], int] = {}
    for claim in claims:
        for experiment in set(claim.reads.values()):
            readers[experiment] = readers.get(experiment, 0) + 1
    return readers


def in_order(
    readers: Mapping[Experiment[Any], int], seconds: Mapping[Experiment[Any], float], first: Set[Experiment[Any]]
) -> list[Experiment[Any]]:
    """Put first what settles contradictions, then what serves most claims for its seconds; last what is measured alone.

    What is measured alone is short, and its time is kept for it.
    """
    return sorted(readers, key=lambda e: (e.alone, e not in first, seconds[e] / readers[e], e.name))


class Runner:
    """Runs experiments within a budget: training runs side by side, and single measurements by themselves.

    Where not all fits, experiments become smaller before any is left out: first FEWEST seeds for all; if even these are
    too many, shorter visits of the clock, no training runs at the smallest batch size, which take longest, every other
    learning rate, and none at the largest batch size. Then everything is measured that nothing else may run beside.
    What time is left after that buys more seeds, from the beginning of the order, whatever the verdicts are by then.
    How long training runs take is corrected by how long those before took.
    """

    def __init__(
        self, lab: Lab, end: float, workers: int, on_done: Callable[[str, Outcome], None], after: float = 0.0
    ) -> None:
        """Begin the budget.

        end: by time.perf_counter   after: seconds that judging and drawing take after that on a quiet machine
        """
        self.lab, self.end, self.workers, self.on_done, self.after = lab, end, workers, on_done, after
        self.outcomes: dict[Experiment[Any], Outcome] = {}
        self._expected = self._taken = 0.0
        self._most_after = 1.0 + (end - perf_counter()) / 5
        lab.stop.until = perf_counter() + self._left()

    def run(
        self,
        readers: Mapping[Experiment[Any], int],
        on_estimate: Callable[[Mapping[str, float], float], None],
        first: Set[Experiment[Any]] = frozenset(),
    ) -> None:
        """Estimate every experiment, then make them; an interrupted run leaves the outcomes of the finished ones.

        on_estimate: called with the seconds of each by name, and of all together   first: those that matter most
        """
        stop = self.lab.stop
        try:
            seconds = self._fitted(readers)
            known = {e.name: s if math.isfinite(s) else 0.0 for e, s in seconds.items()}
            on_estimate(known, self._alone(seconds) + self._trained(seconds))
            order = in_order(readers, seconds, first)
            trained = [e for e in order if not e.alone]
            full = len(self.lab.seeds)
            levels = sorted({min(full, n) for n in (FEWEST, MORE, full)})
            stop.until = perf_counter() + self._left() - min(self._alone(seconds), self._left() / 2)
            fitting = [n for n in levels if SLACK * self._trained(seconds) * n / full <= stop.left]
            self._side_by_side(trained, seconds, max(fitting, default=levels[0]))
            for experiment in order:
                if experiment.alone:
                    stop.until = perf_counter() + self._left()
                    self._keep(experiment, self._run(experiment, seconds[experiment], full))
            for seeds in levels:
                stop.until = perf_counter() + self._left()
                self._side_by_side([e for e in trained if self._wants(e, seeds)], seconds, seeds)
            for experiment, outcome in self.outcomes.items():
                if isinstance(outcome.result, Missing) and outcome.result.late:
                    self.on_done(experiment.name, outcome)
        except BaseException:
            stop.set()  # the others end at their next evaluation; what is finished is in the journal
            raise

    def _trained(self, seconds: Mapping[Experiment[Any], float]) -> float:
        """Return the seconds of all training runs, side by side and at the pace so far."""
        known = [s for e, s in seconds.items() if not e.alone and math.isfinite(s)]
        return self._pace() * sum(known) / self.workers

    def _alone(self, seconds: Mapping[Experiment[Any], float]) -> float:
        """Return the seconds that are kept for all single measurements."""
        return max(MARGIN, self._pace() / 4) * sum(s for e, s in seconds.items() if e.alone and math.isfinite(s))

    def _left(self) -> float:
        """Return the seconds until judging and drawing must begin, which take one core, at the pace so far."""
        return self.end - perf_counter() - min(self._most_after, self.after * max(1.0, self._pace() / self.workers))

    def _fitted(self, readers: Mapping[Experiment[Any], int]) -> dict[Experiment[Any], float]:
        """Estimate the experiments; where even few seeds do not fit, make the laboratory smaller and do so again."""
        self.lab.stop.until = perf_counter() + PILOTS * self._left()
        seconds = estimates(readers, self.lab, self.workers)
        least = min(1.0, FEWEST / len(self.lab.seeds))
        lab = self.lab
        for smaller in (lab.hurry, lab.leave_out_the_smallest, lab.coarsen, lab.leave_out_the_largest):
            if self._alone(seconds) + SLACK * least * self._trained(seconds) <= self._left():
                break
            smaller()
            seconds = estimates(readers, lab, self.workers)
        return seconds

    def _pace(self) -> float:
        """Return how many times as long as expected training runs take: those so far, or else the pilots."""
        if self._expected > 1.0:
            return self._taken / self._expected
        taken, worked = (sum(each) for each in zip(*self.lab.pace.values(), strict=True)) if self.lab.pace else (1, 1)
        return max(1.0, taken / worked)

    def _wants(self, experiment: Experiment[Any], seeds: int) -> bool:
        """Return whether an experiment can still be made with so many seeds, or was made with fewer."""
        made = self.outcomes[experiment]
        return made.result.late if isinstance(made.result, Missing) else made.seeds < seeds

    def _side_by_side(self, order: list[Experiment[Any]], seconds: Mapping[Experiment[Any], float], seeds: int) -> None:
        waiting, running = list(order), dict[Future[Outcome], Experiment[Any]]()
        with blas_threads(1), ThreadPoolExecutor(max_workers=self.workers) as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < self.workers:
                        experiment = waiting.pop(0)
                        running[pool.submit(self._run, experiment, seconds[experiment], seeds)] = experiment
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._keep(running.pop(future), future.result())
            except BaseException:
                self.lab.stop.set()
                raise

    def _keep(self, experiment: Experiment[Any], outcome: Outcome) -> None:
        late = isinstance(outcome.result, Missing) and outcome.result.late
        if late and experiment in self.outcomes:
            return  # what was made with fewer seeds stands
        known = self.outcomes.get(experiment)
        self.outcomes[experiment] = outcome
        if not late and (known is None or isinstance(known.result, Missing)):
            self.on_done(experiment.name, outcome)

    def _run(self, experiment: Experiment[Any], estimate: float, seeds: int) -> Outcome:
        begun, left, full = perf_counter(), self.lab.stop.left, len(self.lab.seeds)
        before = self.outcomes.get(experiment)
        known = 0 if before is None or isinstance(before.result, Missing) else before.seeds
        share = (seeds - known) / full  # what was trained before is in the journal
        expected = estimate if experiment.alone else self._pace() * estimate * share if math.isfinite(estimate) else 0.0
        if expected > left or left == 0:
            why = f"it would take about {words.seconds(expected)}, and {words.seconds(left)} are left"
            return Outcome(Missing(why, late=True), 0.0, seeds)
        result: Any
        try:
            if math.isinf(estimate):  # its pilot is still to be made
                estimate = experiment.seconds(self.lab)
            if experiment.alone:  # chooses its own threads
                result = make(experiment, self.lab)
            else:
                with quiet_arithmetic():  # NumPy's error state belongs to a thread
                    result = make(experiment, self.lab.with_seeds(seeds))
        except Stopped:
            result = Missing("the time was up before it was done", late=True)
        except Unsuitable as reason:
            result = Missing(str(reason))
        except OutputError:
            raise
        except MinisgdError as problem:
            result = Missing(f"it was refused: {problem}")
        spent = perf_counter() - begun
        if not experiment.alone and not isinstance(result, Missing):
            self._expected += estimate * share
            self._taken += spent
        return Outcome(result, spent + (before.seconds if before else 0.0), seeds)


def estimates(readers: Iterable[Experiment[Any]], lab: Lab, workers: int = 1) -> dict[Experiment[Any], float]:
    """Estimate the seconds of every experiment; what cannot be made takes none, and says so when it is run.

    Estimates rest on pilots, so this trains a little. Where there is no time for a pilot they are infinite.
    """

    def estimate(experiment: Experiment[Any]) -> float:
        with quiet_arithmetic():
            try:
                return experiment.seconds(lab)
            except Stopped:
                return math.inf
            except (Unsuitable, MinisgdError):
                return 0.0

    each = list(readers)
    with blas_threads(1), ThreadPoolExecutor(max_workers=workers) as pool:
        return dict(zip(each, pool.map(estimate, each), strict=True))
