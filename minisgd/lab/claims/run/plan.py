"""The plan: which experiments the claims need, each once, and the order in which a budget is spent on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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


@dataclass(frozen=True)
class Missing:
    """An experiment that was not made, and why, as a clause."""

    why: str


@dataclass(frozen=True)
class Outcome:
    """The result of an experiment, or Missing, and the seconds spent on it."""

    result: Any
    seconds: float


def experiments_of(claims: Iterable[Claim]) -> dict[Experiment[Any], int]:
    """Return every experiment that the claims need, once, with the number of claims that read it."""
    readers: dict[Experiment[Any], int] = {}
    for claim in claims:
        for experiment in set(claim.reads.values()):
            readers[experiment] = readers.get(experiment, 0) + 1
    return readers


def in_order(readers: Mapping[Experiment[Any], int], seconds: Mapping[Experiment[Any], float]) -> list[Experiment[Any]]:
    """Put first what is measured alone, then what serves most claims for its seconds."""
    return sorted(readers, key=lambda e: (not e.alone, seconds[e] / readers[e], e.name))


class Runner:
    """Runs experiments within a budget: single measurements first, by themselves, then training runs side by side."""

    def __init__(self, lab: Lab, deadline: float, workers: int, on_done: Callable[[str, Outcome], None]) -> None:
        self.lab, self.deadline, self.workers, self.on_done = lab, deadline, workers, on_done
        self.outcomes: dict[Experiment[Any], Outcome] = {}

    def run(
        self, readers: Mapping[Experiment[Any], int], on_estimate: Callable[[Mapping[str, float], float], None]
    ) -> None:
        """Estimate every experiment, then make them; an interrupted run leaves the outcomes of the finished ones.

        on_estimate: called with the seconds of each by name, and of all together
        """
        timer = Timer(max(0.0, self.deadline - perf_counter()), self.lab.stop.set)
        timer.daemon = True
        timer.start()
        try:
            seconds = estimates(readers, self.lab)
            alone = sum(s for e, s in seconds.items() if e.alone)
            side_by_side = sum(s for e, s in seconds.items() if not e.alone) / self.workers
            on_estimate({e.name: s for e, s in seconds.items()}, alone + side_by_side)
            order = in_order(readers, seconds)
            for experiment in order:
                if experiment.alone:
                    self._keep(experiment, self._run(experiment, seconds[experiment]))
            self._side_by_side([e for e in order if not e.alone], seconds)
        except BaseException:
            self.lab.stop.set()
            raise
        finally:
            timer.cancel()

    def _side_by_side(self, order: list[Experiment[Any]], seconds: Mapping[Experiment[Any], float]) -> None:
        waiting, running = list(order), dict[Future[Outcome], Experiment[Any]]()
        with blas_threads(1), ThreadPoolExecutor(max_workers=self.workers) as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < self.workers:
                        experiment = waiting.pop(0)
                        running[pool.submit(self._run, experiment, seconds[experiment])] = experiment
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._keep(running.pop(future), future.result())
            except BaseException:
                self.lab.stop.set()  # the others end at their next evaluation; what is finished is in the journal
                raise

    def _keep(self, experiment: Experiment[Any], outcome: Outcome) -> None:
        self.outcomes[experiment] = outcome
        self.on_done(experiment.name, outcome)

    def _run(self, experiment: Experiment[Any], estimate: float) -> Outcome:
        begun = perf_counter()
        left = self.deadline - begun
        if left <= 0 or estimate > left:
            why = f"it would take about {words.seconds(estimate)}, and {words.seconds(max(left, 0.0))} are left"
            return Outcome(Missing(why), 0.0)
        result: Any
        try:
            if experiment.alone:  # chooses its own threads
                result = experiment.run(self.lab)
            else:
                with quiet_arithmetic():  # NumPy's error state belongs to a thread
                    result = experiment.run(self.lab)
        except Stopped:
            result = Missing("the time was up before it was done")
        except Unsuitable as reason:
            result = Missing(str(reason))
        except OutputError:
            raise
        except MinisgdError as problem:
            result = Missing(f"it was refused: {problem}")
        return Outcome(result, perf_counter() - begun)


def estimates(readers: Iterable[Experiment[Any]], lab: Lab) -> dict[Experiment[Any], float]:
    """Estimate the seconds of every experiment; what cannot be made takes none, and says so when it is run.

    Estimates rest on pilots, so this trains a little.
    """
    seconds = {}
    with blas_threads(1), quiet_arithmetic():
        for experiment in readers:
            try:
                seconds[experiment] = experiment.seconds(lab)
            except (Stopped, Unsuitable, MinisgdError):
                seconds[experiment] = 0.0
    return seconds
