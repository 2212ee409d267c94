"""A study whose stacks are trained elsewhere: the same cells, whoever trains them and whatever goes wrong."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from threading import Event

import numpy as np
import pytest

import minisgd as ms
from minisgd.lab.study import course, elsewhere
from minisgd.lab.study.elsewhere import Task
from minisgd.lab.study.executor_workers import DaskWorkers, ExecutorWorkers, workers_of
from minisgd.lab.study.executors import Processes
from minisgd.lab.study.stack import Budget, Stopped
from minisgd.lab.study.target import Target
from minisgd.lab.study.workers import Threads, Workers
from minisgd.lab.trial import Trial

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 6)).astype(np.float32)
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(np.int64)
QUICK = {"batch_sizes": [8, 32], "seeds": 3, "learning_rates": [0.03, 0.3, 30.0], "budget": None}


def data() -> ms.Dataset:
    return ms.Dataset.from_arrays(X, Y, validation=0.25)


def network() -> ms.Network:
    return ms.Network(ms.Linear(4), ms.Tanh(), ms.Linear(2))


def study(out, **options):
    return ms.study(network(), data(), target_accuracy=0.9, out=out, **QUICK, **options)


@pytest.fixture(scope="module")
def alone(tmp_path_factory, known_step_times):
    out = tmp_path_factory.mktemp("alone")
    study(out)
    return (out / "cells.jsonl").read_bytes()


class Here:
    """An executor that works at once, in this thread; the first calls go wrong."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors, self.calls = list(errors), 0

    def submit(self, function, *args):
        self.calls += 1
        future: Future = Future()
        if self.errors and function is elsewhere.train_elsewhere:
            future.set_exception(self.errors.pop(0))
        else:
            future.set_result(function(*args))
        return future


@pytest.mark.parametrize("threads", [1, 3])
def test_cells_do_not_depend_on_the_number_of_workers(threads, alone, tmp_path, known_step_times):
    said = []
    with ThreadPoolExecutor(threads) as executor:
        study(tmp_path, executor=executor, on_event=lambda kind, facts: said.append(facts.get("text", "")))
    assert (tmp_path / "cells.jsonl").read_bytes() == alone
    assert not any("failed" in text for text in said)  # a worker timed the single networks, too


@pytest.mark.parametrize("cores", [2, 9])
def test_nor_on_the_threads_of_a_long_study(cores, alone, tmp_path, known_step_times, monkeypatch):
    made = []
    monkeypatch.setattr(course, "LONG_PILOT", 0.0)
    monkeypatch.setattr(course, "LONG_SEARCH", 0.0)
    monkeypatch.setattr(course, "Threads", lambda threads: made.append(threads) or Threads(threads))
    study(tmp_path, threads=cores)
    assert (tmp_path / "cells.jsonl").read_bytes() == alone
    assert made == [min(cores, course.AT_ONCE)]


def test_threads_end_when_one_of_them_fails():
    stop, begun = Event(), Event()

    class Failing:
        def train(self, *_):
            begun.wait()
            raise MemoryError("no room")

    class Waiting:
        def train(self, _trial, _keep, stop):
            begun.set()
            assert stop.wait(60)
            raise Stopped

    with closing(Threads(2)) as threads, pytest.raises(MemoryError, match="no room"):
        threads.train(None, [Failing(), Waiting()], print, stop)
    assert stop.is_set()


def test_a_study_goes_on_without_workers_that_fail(alone, tmp_path, known_step_times):
    said = []
    lost = [BrokenProcessPool("killed"), MemoryError("no room"), *[OSError("the scheduler is gone")] * 20]
    study(tmp_path, executor=Here(*lost), on_event=lambda kind, facts: said.append(facts["text"]))
    assert (tmp_path / "cells.jsonl").read_bytes() == alone
    assert any("BrokenProcessPool: killed" in text and "given to another" in text for text in said)
    assert any("trained in this process" in text for text in said)


def test_an_executor_that_takes_nothing_is_done_without(alone, tmp_path, known_step_times):
    class Closed:
        def submit(self, *args):
            raise RuntimeError("cannot schedule new futures after shutdown")

    study(tmp_path, executor=Closed())
    assert (tmp_path / "cells.jsonl").read_bytes() == alone


def test_an_interrupted_study_goes_on_with_workers(alone, tmp_path, known_step_times):
    class Enough(Exception):
        pass

    def interrupt(kind, facts):
        if kind == "progress" and facts["done"] >= 6:
            raise Enough

    with pytest.raises(Enough):
        study(tmp_path, on_event=interrupt)
    with ThreadPoolExecutor(2) as executor:
        study(tmp_path, executor=executor)
    assert (tmp_path / "cells.jsonl").read_bytes() == alone


def test_progress_counts_what_all_workers_do(tmp_path, known_step_times):
    seen = []
    with ThreadPoolExecutor(2) as executor:
        study(tmp_path, executor=executor, on_event=lambda kind, facts: seen.append((kind, facts)))
    done = [facts["done"] for kind, facts in seen if kind == "progress"]
    assert done == sorted(done) and done[-1] == len((tmp_path / "cells.jsonl").read_text().splitlines())


def lines(stacks) -> list[str]:
    """Every training run as text, for NaN is not equal to itself."""
    return [cell.to_line() for cells in stacks for cell in cells]


def one_task(seeds=(0,)) -> Task:
    cells = [(0.3, seed) for seed in seeds]
    return Task(8, cells, Target("val_accuracy", 0.9), Budget(60, 5), float("inf"), [])


def test_a_study_that_is_stopped_waits_for_no_worker():
    class Never(Here):
        def submit(self, function, *args):
            return Future()

    stop = Event()
    stop.set()
    elsewhere = ExecutorWorkers(Never(), print)
    with closing(elsewhere), pytest.raises(Stopped):
        elsewhere.train(Trial(network(), data()), [one_task()], lambda cells: None, stop)


def test_our_own_errors_are_not_tried_again():
    executor = Here(ms.DataError("data", expected="a", got="b", fix="c"))
    elsewhere = ExecutorWorkers(executor, print)
    with closing(elsewhere), pytest.raises(ms.DataError):
        elsewhere.train(Trial(network(), data()), [one_task()], lambda cells: None, Event())
    assert executor.calls == 1


def test_data_are_mapped_from_one_file(request):
    pytest.importorskip("joblib", reason="joblib is not installed: pip install 'minisgd[sweep]'")
    trial = Trial(network(), data())
    sender = ExecutorWorkers(Here(), print)
    request.addfinalizer(sender.close)
    sent = sender._send(trial)
    assert sender._send(trial) is sent
    mapped = elsewhere.opened(sent.data)
    assert mapped is elsewhere.opened(sent.data)
    assert type(mapped.train.x) is np.ndarray and isinstance(mapped.train.x.base, np.memmap)
    np.testing.assert_array_equal(mapped.train.x, trial.data.train.x)
    kept: list = []
    found = sender.train(trial, [one_task([0, 1])], kept.extend, Event())
    assert lines(found) == lines(Workers().train(trial, [one_task([0, 1])], lambda cells: None, Event()))
    assert sorted(lines([kept])) == sorted(lines(found))


def test_what_is_no_executor_is_refused():
    assert type(workers_of(None, print)) is Workers
    with pytest.raises(ms.ArgumentError, match="executor must be an executor as in concurrent.futures"):
        study(None, executor=4)


def kill_first(path: str, *args):
    """Kill the process of the worker, the first time."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return elsewhere.train_elsewhere(*args)
    os.kill(os.getpid(), signal.SIGKILL)
    return None


@pytest.mark.slow
def test_processes_replace_one_that_was_killed(tmp_path, monkeypatch):
    pytest.importorskip("joblib", reason="joblib is not installed: pip install 'minisgd[sweep]'")
    processes, said, stop = Processes(2), [], Event()
    trial, tasks = Trial(network(), data()), [one_task([seed]) for seed in range(3)]
    elsewhere = ExecutorWorkers(processes, said.append)
    submit = elsewhere._submit
    elsewhere._submit = lambda function, *args, size=0: submit(kill_first, str(tmp_path / "killed"), *args)
    try:
        found = elsewhere.train(trial, tasks, lambda cells: None, stop)
    finally:
        elsewhere.close()
        processes.shutdown()
    assert lines(found) == lines(Workers().train(trial, tasks, lambda cells: None, stop))
    assert any("given to another" in text for text in said)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_loses_a_worker_and_restarts(tmp_path):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'minisgd[dask]'")
    said: list[str] = []
    trial, tasks = Trial(network(), data()), [one_task([seed]) for seed in range(3)]
    alone = lines(Workers().train(trial, tasks, lambda cells: None, Event()))
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        elsewhere = workers_of(client, said.append)
        assert type(elsewhere) is DaskWorkers
        submit = elsewhere._submit
        elsewhere._submit = lambda function, *args, size=0: submit(kill_first, str(tmp_path / "killed"), *args)
        assert lines(elsewhere.train(trial, tasks, lambda cells: None, Event())) == alone
        client.restart()
        assert lines(elsewhere.train(trial, tasks, lambda cells: None, Event())) == alone
    assert lines(elsewhere.train(trial, tasks, lambda cells: None, Event())) == alone  # the scheduler is gone
    assert any("trained in this process" in text for text in said)


def starved(*args):
    """Train where hardly any memory is left."""
    resource = pytest.importorskip("resource", reason="there is no limit of memory to set here")
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used, resource.RLIM_INFINITY))
    try:
        return elsewhere.train_elsewhere(*args)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the size of a process is read from /proc")
def test_processes_without_memory_are_done_without():
    pytest.importorskip("joblib", reason="joblib is not installed: pip install 'minisgd[sweep]'")
    rng = np.random.default_rng(0)
    large = ms.Dataset.from_arrays(rng.standard_normal((4000, 500)), rng.integers(0, 2, 4000), validation=0.25)
    trial = Trial(ms.Network(ms.Linear(2000), ms.ReLU(), ms.Linear(2)), large)
    task = Task(2000, [(0.01, 0)], Target("val_accuracy", 1.1), Budget(2, 1), float("inf"), [])
    processes, said = Processes(1), []
    elsewhere = ExecutorWorkers(processes, said.append)
    submit = elsewhere._submit
    elsewhere._submit = lambda function, *args, size=0: submit(starved, *args)
    try:
        found = elsewhere.train(trial, [task], lambda cells: None, Event())
    finally:
        elsewhere.close()
        processes.shutdown()
    assert lines(found) == lines(Workers().train(trial, [task], lambda cells: None, Event()))
    assert any("MemoryError" in text and "given to another" in text for text in said), said
    assert "1 training run is trained in this process" in said[-1]


class OfTwoKinds(Here):
    """A client of Dask whose three workers have processors of two kinds."""

    def scatter(self, trial, **options):
        return trial

    def nthreads(self):
        return dict.fromkeys("abc", 1)

    def run(self, function):
        assert isinstance(function(), str)
        return {"a": "old", "b": "new", "c": "new"}

    def submit(self, function, *args, pure, priority=0, workers=None):
        self.asked = [*getattr(self, "asked", []), workers]
        return super().submit(function, *args)


def test_single_networks_are_timed_on_one_worker_of_each_kind(tmp_path, known_step_times):
    client, said = OfTwoKinds(), []
    study(tmp_path, executor=client, on_event=lambda kind, facts: said.append(facts["text"]))
    assert [asked for asked in client.asked if asked] == [["b"], ["a"]]
    assert client.asked[-2:] == [["b"], ["a"]]  # when nobody trains any more
    assert "a step takes 1 times as long on old as on new, whose times count" in said
