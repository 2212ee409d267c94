"""The clock, on a time of its own: what a call costs is what the calls say they cost."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.backend import NumpyOps
from minisgd.lab.timing import clock as speed_clock
from minisgd.lab.timing.clock import Task, in_turn, measure_steps
from minisgd.lab.trial import STILL
from minisgd.training.prepare import prepare


class Time:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(speed_clock, "perf_counter", clock)
    return clock


def task(time: Time, name: str, seconds: float, order: list[str]) -> Task:
    def call() -> None:
        order.append(name)
        time.now += seconds

    return Task(call, NumpyOps(), threads=1)


def test_a_visit_has_as_many_calls_as_fill_it(time: Time) -> None:
    order: list[str] = []
    tasks = [task(time, "quick", 0.001, order), task(time, "slow", 0.05, order)]
    quick, slow = in_turn(tasks, Task.mean, np.random.default_rng(0), visits=5, seconds=0.02)
    assert_allclose(np.array(quick), 0.001)
    assert_allclose(np.array(slow), 0.05)
    assert np.shape(quick) == np.shape(slow) == (5, 1)
    # a call to warm up at each of six visits; the first visit has three calls more, the others twenty or one
    assert Counter(order) == {"quick": 6 + 3 + 5 * 20, "slow": 6 + 3 + 5}


def test_a_part_in_which_the_processor_was_given_away_does_not_count(time: Time) -> None:
    calls = iter(range(10**6))

    def call() -> None:
        time.now += 0.5 if next(calls) % 37 == 5 else 0.001

    (visits,) = in_turn([Task(call, NumpyOps(), 1)], Task.typical, np.random.default_rng(0), visits=9, seconds=0.06)
    assert_allclose(np.array(visits)[:, 0], 0.001)


def test_every_call_by_itself_and_at_most_so_many(time: Time) -> None:
    (calls,) = in_turn(
        [task(time, "a", 0.001, [])], Task.each, np.random.default_rng(0), visits=3, seconds=0.02, most=7
    )
    assert_allclose(np.array(calls)[:, 0], np.full((3, 7), 0.001))


def test_the_order_is_drawn_anew_in_every_round(time: Time) -> None:
    order: list[str] = []
    tasks = [task(time, name, 1.0, order) for name in "abcd"]
    in_turn(tasks, Task.mean, np.random.default_rng(1), visits=20)
    order = order[16:]  # what follows the first round, which is for counting
    rounds = {"".join(order[start : start + 8]) for start in range(0, len(order), 8)}
    assert len(rounds) > 10
    assert all(sorted(each) == list("aabbccdd") for each in rounds)


def test_a_drifting_machine_slows_all_alike(time: Time) -> None:
    """Timed one after the other, the last would come out three times as slow; in turn, they stay together."""
    order: list[str] = []

    def call() -> None:
        time.now += 0.01 * (1 + len(order) / 100)
        order.append("")

    same = [Task(call, NumpyOps(), threads=1) for _ in range(4)]
    taken = np.array(in_turn(same, Task.mean, np.random.default_rng(0), visits=25, seconds=0.01))[:, :, 0]
    medians = np.median(taken, axis=1)
    assert medians.max() / medians.min() < 1.1 < 2 < taken.max() / taken.min()


def test_steps_are_those_of_training_and_leave_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ms.datasets.digits(validation=0.0)
    net = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(10)).build((64,))
    before = net.vector.copy()

    def prepared(b: int):
        return prepare(net, data, ms.SGD(lr=STILL), batch_size=b)

    taken = measure_steps(prepared, [1, 300], 1, np.random.default_rng(0), visits=3, seconds=1e-4).wall
    assert taken.shape == (3, 2) and (taken > 0).all()
    np.testing.assert_array_equal(net.vector, before)
