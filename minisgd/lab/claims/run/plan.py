"""The plan: which experiments the claims need, each once, and how a budget is spent on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Timer
from time import perf_counter
from typing import Any

from minisgd.backend.cpu.threads import blas_threads
from minisgd.errors import MinisgdError, OutputError
from minisgd.lab import words
from minisgd.lab.claims.claim import Claim
from minisgd.lab.claims.experiment import Experiment, Unsuitable
from minisgd.lab.claims.lab import Lab
from minisgd.lab.study.stack import Stopped
from minisgd.training.session import quiet_arithmetic

WORKERS = 2

FEWEST = 3
"""Seeds below which an experiment is left out rather than made smaller: t intervals of two are 13 standard errors."""

SLACK = 1.5
"""Times the estimate of all training runs that must fit, or they become smaller: it is that of a quiet start."""

MARGIN = 1.5
"""Times the estimate of all single measurements that is kept for them."""


@dataclass(frozen=True)
class Missing:
    """An experiment that was not made, and why, as a clause."""

    why: str


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
    """Runs experiments within a budget: training runs side by side, then single measurements by themselves.

    Where not all fits, experiments become smaller before any is left out: fewer seeds, as few as FEWEST; shorter visits
    of the clock; no training runs at the smallest batch size, which take longest; every other learning rate. What then
    still does not fit is left out from the end of the order. How long they take is corrected by how long those before
    took.
    """

    def __init__(self, lab: Lab, deadline: float, workers: int, on_done: Callable[[str, Outcome], None]) -> None:
        self.lab, self.deadline, self.workers, self.on_done = lab, deadline, workers, on_done
        self.outcomes: dict[Experiment[Any], Outcome] = {}
        self.until = deadline
        self._expected = self._taken = 0.0

    def run(
        self,
        readers: Mapping[Experiment[Any], int],
        on_estimate: Callable[[Mapping[str, float], float], None],
        first: Set[Experiment[Any]] = frozenset(),
    ) -> None:
        """Estimate every experiment, then make them; an interrupted run leaves the outcomes of the finished ones.

        on_estimate: called with the seconds of each by name, and of all together   first: those that matter most
        """
        timer = self._timer(self.deadline)
        try:
            seconds = self._fitted(readers)
            alone = sum(s for e, s in seconds.items() if e.alone)
            side_by_side = sum(s for e, s in seconds.items() if not e.alone) / self.workers
            on_estimate({e.name: s for e, s in seconds.items()}, alone + side_by_side)
            order = in_order(readers, seconds, first)
            timer.cancel()
            self.until = self.deadline - min(MARGIN * alone, (self.deadline - perf_counter()) / 2)
            timer = self._timer(self.until)
            self._side_by_side([e for e in order if not e.alone], seconds)
            timer.cancel()
            self.until = self.deadline
            self.lab.stop.clear()
            timer = self._timer(self.deadline)
            for experiment in order:
                if experiment.alone:
                    self._keep(experiment, self._run(experiment, seconds[experiment]))
        except BaseException:
            self.lab.stop.set()
            raise
        finally:
            timer.cancel()

    def _timer(self, until: float) -> Timer:
        """Set the stop at a time, if it is not over before."""
        timer = Timer(max(0.0, until - perf_counter()), self.lab.stop.set)
        timer.daemon = True
        timer.start()
        return timer

    def _fitted(self, readers: Mapping[Experiment[Any], int]) -> dict[Experiment[Any], float]:
        """Estimate the experiments; where even few seeds do not fit, make the laboratory smaller and do so again."""
        seconds = estimates(readers, self.lab, self.workers)
        least = min(1.0, FEWEST / len(self.lab.seeds))
        for smaller in (self.lab.hurry, self.lab.leave_out_the_smallest, self.lab.coarsen):
            alone = sum(s for e, s in seconds.items() if e.alone)
            trained = SLACK * least * sum(s for e, s in seconds.items() if not e.alone) / self.workers
            if MARGIN * alone + trained <= self.deadline - perf_counter():
                break
            smaller()
            seconds = estimates(readers, self.lab, self.workers)
        return seconds

    def _seeds(self, seconds: float) -> int:
        """Return how many seeds all that is still to be made can have: those that were asked for, or fewer."""
        full = len(self.lab.seeds)
        share = self.workers * max(0.0, self.until - perf_counter()) / max(self._pace() * seconds, 1e-9)
        return min(full, max(min(FEWEST, full), math.floor(share * full)))

    def _pace(self) -> float:
        """Return how many times as long as expected the training runs take."""
        return self._taken / self._expected if self._expected > 1.0 else 1.0

    def _side_by_side(self, order: list[Experiment[Any]], seconds: Mapping[Experiment[Any], float]) -> None:
        waiting, running = list(order), dict[Future[Outcome], Experiment[Any]]()
        with blas_threads(1), ThreadPoolExecutor(max_workers=self.workers) as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < self.workers:
                        seeds = self._seeds(sum(seconds[e] for e in waiting))
                        experiment = waiting.pop(0)
                        running[pool.submit(self._run, experiment, seconds[experiment], seeds)] = experiment
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        experiment, outcome = running.pop(future), future.result()
                        if not isinstance(outcome.result, Missing):
                            self._expected += seconds[experiment] * outcome.seeds / len(self.lab.seeds)
                            self._taken += outcome.seconds
                        self._keep(experiment, outcome)
            except BaseException:
                self.lab.stop.set()  # the others end at their next evaluation; what is finished is in the journal
                raise

    def _keep(self, experiment: Experiment[Any], outcome: Outcome) -> None:
        self.outcomes[experiment] = outcome
        self.on_done(experiment.name, outcome)

    def _run(self, experiment: Experiment[Any], estimate: float, seeds: int | None = None) -> Outcome:
        begun = perf_counter()
        left = self.until - begun
        lab = self.lab if seeds is None else self.lab.with_seeds(seeds)
        estimate *= 1.0 if experiment.alone else self._pace() * len(lab.seeds) / len(self.lab.seeds)
        if left <= 0 or estimate > left:
            why = f"it would take about {words.seconds(estimate)}, and {words.seconds(max(left, 0.0))} are left"
            return Outcome(Missing(why), 0.0, len(lab.seeds))
        result: Any
        try:
            if experiment.alone:  # chooses its own threads
                result = experiment.run(lab)
            else:
                with quiet_arithmetic():  # NumPy's error state belongs to a thread
                    result = experiment.run(lab)
        except Stopped:
            result = Missing("the time was up before it was done")
        except Unsuitable as reason:
            result = Missing(str(reason))
        except OutputError:
            raise
        except MinisgdError as problem:
            result = Missing(f"it was refused: {problem}")
        return Outcome(result, perf_counter() - begun, len(lab.seeds))


def estimates(readers: Iterable[Experiment[Any]], lab: Lab, workers: int = 1) -> dict[Experiment[Any], float]:
    """Estimate the seconds of every experiment; what cannot be made takes none, and says so when it is run.

    Estimates rest on pilots, so this trains a little.
    """

    def estimate(experiment: Experiment[Any]) -> float:
        with quiet_arithmetic():
            try:
                return experiment.seconds(lab)
            except (Stopped, Unsuitable, MinisgdError):
                return 0.0

    each = list(readers)
    with blas_threads(1), ThreadPoolExecutor(max_workers=workers) as pool:
        return dict(zip(each, pool.map(estimate, each), strict=True))
