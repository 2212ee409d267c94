"""Experiments on workers: the verdicts of one process, one journal, and what is timed by itself."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from math import inf
from threading import Barrier
from time import perf_counter
from typing import Any, ClassVar

import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.claims.experiment import Experiment, Unsuitable
from minisgd.lab.claims.experiments.to_target import RunToTarget
from minisgd.lab.claims.lab import FULL
from minisgd.lab.claims.run.elsewhere import make
from minisgd.lab.claims.run.plan import Runner
from minisgd.lab.deadline import Deadline
from minisgd.lab.study.executor_workers import ExecutorWorkers
from minisgd.lab.study.stack import Stopped
from tests.lab.claims.labs import small_lab

DATA = gaussian_blobs(300, 5, 3, 3.0, seed=0)
NETWORK = ms.Network(ms.Linear(4, name="hidden"), ms.ReLU(), ms.Linear(3))
ONLY = [4, 9]


def carried(something: Any) -> Any:
    """Return what arrives in another process."""
    return pickle.loads(pickle.dumps(something))


class Elsewhere:
    """An executor whose calls travel like those of a process, and are made at once; the first ones go wrong."""

    workers = 2

    def __init__(self, *errors: BaseException) -> None:
        self.errors, self.calls = list(errors), list[str]()

    def submit(self, function, *args):
        future: Future = Future()
        self.calls.append(function.__name__)
        try:
            if self.errors:
                raise self.errors.pop(0)
            future.set_result(carried(carried(function)(*carried(args))))
        except Exception as error:
            future.set_exception(error)
        return future


def verdicts(**options: Any) -> list[dict[str, Any]]:
    """Return the document of the claims without what clocks say."""
    found = ms.claims(NETWORK, DATA, only=ONLY, seeds=3, budget=None, threads=1, **options)
    return [{name: v for name, v in entry.items() if name != "seconds"} for entry in json.loads(found.to_json())]


@pytest.fixture(scope="module")
def alone():
    return verdicts()


def test_verdicts_are_those_of_one_process_and_the_journal_is_here(alone, tmp_path):
    executor, said = Elsewhere(BrokenProcessPool("killed"), MemoryError("no room")), []
    assert verdicts(executor=executor, out=tmp_path, on_event=lambda kind, facts: said.append(facts["text"])) == alone
    assert {"timed_pilot", "make_elsewhere"} == set(executor.calls)
    assert sum("(BrokenProcessPool: killed): it is given to another" in text for text in said) == 1
    journal = tmp_path / "training-runs" / "sgd-to-target" / "cells.jsonl"
    before = journal.read_bytes()
    assert verdicts(out=tmp_path) == alone and journal.read_bytes() == before  # nothing is trained again


def test_what_workers_cannot_do_is_done_here(alone):
    assert verdicts(executor=Elsewhere(*[OSError("the scheduler is gone")] * 100)) == alone


@dataclass(frozen=True)
class Met(Experiment[Any]):
    """An experiment that is over when as many are made at once as shall meet."""

    label: str
    barrier: ClassVar[Barrier] = Barrier(2, timeout=60)
    made: ClassVar[list[tuple[str, float, float]]] = []

    @property
    def name(self) -> str:
        return self.label

    def seconds(self, lab: Any) -> float:
        return 0.01

    def run(self, lab: Any) -> Any:
        begun = perf_counter()
        if not self.alone:
            self.barrier.wait()
        self.made.append((self.label, begun, perf_counter()))


@dataclass(frozen=True)
class Timed(Met):
    alone: ClassVar[bool] = True


def test_what_is_timed_has_the_workers_for_itself():
    lab = small_lab(NETWORK, DATA, seeds=1)
    with ThreadPoolExecutor(2) as executor:
        lab.workers = ExecutorWorkers(executor, print)
        experiments = [Met("a"), Met("b"), Timed("clock"), Timed("bytes")]
        runner = Runner(lab, perf_counter() + 1000, lab.workers.count, lambda name, outcome: None)
        runner.run(dict.fromkeys(experiments, 1), lambda seconds, total: None)
        lab.workers.close()
    assert len(Met.made) == 4
    for name, begun, ended in Met.made:
        if name in ("clock", "bytes"):
            assert all(b >= ended or e <= begun for other, b, e in Met.made if other != name)


class Counted(Deadline):
    """Time is up when it has been asked for so often."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self.questions = questions

    def is_set(self) -> bool:
        self.questions -= 1
        return self.questions < 0


def test_what_was_trained_before_time_was_up_is_kept():
    lab, experiment = small_lab(NETWORK, DATA, seeds=2), RunToTarget()
    lab.goal(experiment.setting)
    with ThreadPoolExecutor(1) as executor:
        lab.workers, lab.stop = ExecutorWorkers(executor, print), Counted(100)
        with pytest.raises(Stopped):
            make(experiment, lab)
        lab.workers.close()
    assert lab.journal(experiment).finished()


@dataclass(frozen=True)
class Refused(Met):
    def run(self, lab: Any) -> Any:
        raise Unsuitable("the data have no labels")


def test_what_the_data_do_not_allow_comes_back():
    lab = small_lab(NETWORK, DATA, seeds=1)
    lab.workers = ExecutorWorkers(Elsewhere(), print)
    with pytest.raises(Unsuitable, match="no labels"):
        make(Refused("a"), lab)
    lab.workers.close()


def test_time_and_names_keep_their_meaning_in_another_process():
    assert carried(FULL) is FULL
    assert carried(Deadline()).left == inf and carried(Deadline(perf_counter() - 1)).is_set()
    assert 0 < carried(Deadline(perf_counter() + 1000)).left <= 1000
