"""Updates in a row change no bit, stop where they are told to, and give Python its turn."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from minisgd.optim.optimizer import FLUSH_EVERY
from minisgd.training import consecutive_steps
from minisgd.training.consecutive_steps import ConsecutiveStepsSession
from minisgd.training.prepare import prepare
from minisgd.training.session import Session
from tests.backend.cpu.native.bits import needs_native
from tests.training.test_multi_step import CASES, DATA, assert_same, net, run

pytestmark = needs_native


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many updates go in a row must not depend on the machine."""
    monkeypatch.setattr(consecutive_steps, "RESPONSE", 1e9)


def pair(
    monkeypatch: pytest.MonkeyPatch,
    *,
    lr_factors: Any = None,
    sampling: Any = "shuffle",
    last: Any = "use",
    **options: Any,
) -> Any:
    """Return the same training run twice: one by one through NumPy, and in a row natively."""
    options = {"batch_size": 32, "seeds": 0, "optimizer": ms.Adam(lr=0.01), **options}
    optimizer, sessions = options.pop("optimizer"), []
    for executor, kind in (("numpy", Session), ("native", ConsecutiveStepsSession)):
        monkeypatch.setenv("MINISGD_EXECUTOR", executor)
        prepared = prepare(net(), DATA, optimizer, **options)
        session = prepared.session(sampling=sampling, last_batch=last, lr_factors=lr_factors, epochs=5)
        assert type(session) is kind
        sessions.append(session)
    return sessions


@pytest.mark.parametrize("name", CASES)
def test_it_changes_no_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair(monkeypatch, **CASES[name])
    for goal in (1, 2, 9, 14, 40):
        run(one, goal)
        run(other, goal)
        assert_same(one, other)


def test_it_ends_with_an_epoch_a_size_and_a_goal(monkeypatch: pytest.MonkeyPatch) -> None:
    _, session = pair(monkeypatch, batch_size=10)
    assert run(session, 21) == [1, 8, 9, 3]
    _, session = pair(monkeypatch, batch_size=20)  # 4 of 20 and one of 10
    assert run(session, 12) == [1, 3, 1, 4, 1, 2]
    _, session = pair(monkeypatch, batch_size=20, last="drop")
    assert run(session, 6) == [1, 3, 2]
    _, session = pair(monkeypatch, batch_size=2, optimizer=ms.SGD(lr=ms.Cosine(0.1)))
    assert run(session, 50) == [1, 44, 5]


def test_nothing_runs_over_the_flush_of_small_state(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair(monkeypatch, batch_size=2)
    run(one, FLUSH_EVERY + 10)
    assert run(other, FLUSH_EVERY + 10) == [1, 44, 45, 45, 45, 45, 31, 10]
    assert_same(one, other)


def test_as_many_as_the_response_time_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    _, session = pair(monkeypatch, batch_size=10)
    monkeypatch.setattr(consecutive_steps, "RESPONSE", 0.0)
    assert run(session, 5) == [1] * 5


def test_replicas_that_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair(monkeypatch, seeds=[0, 1, 2], lr_factors=[1.0, 0.3, 0.1], batch_size=8)
    for session in (one, other):
        run(session, 5)
        session.keep([0, 2])
        run(session, 30)
    assert_same(one, other)


def test_single_steps_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair(monkeypatch, batch_size=10)
    for session in (one, other):
        run(session, 3)
        session.step(lambda index, gradient: None)
        run(session, 9)
    assert_same(one, other)


def test_its_memory_is_that_of_single_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair(monkeypatch)
    assert other.plan.bytes() == one.plan.bytes()


def test_who_looks_at_every_step_gets_single_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISGD_EXECUTOR", "native")
    assert type(prepare(net(), DATA, ms.SGD(lr=0.1), batch_size=9, micro_batch=3).session()) is Session
    seen: list[int] = []

    class Count(ms.Callback):
        def on_step(self, training: Any) -> None:
            seen.append(training.session.steps)

    ms.train(net(), DATA, batch_size=9, epochs=2, callbacks=[Count()])
    assert seen == list(range(1, 21))


@pytest.mark.filterwarnings("ignore::minisgd.training.health.TrainingWarning")  # labels are random
@pytest.mark.parametrize("optimizer", [ms.SGD(lr=0.1, momentum=0.9), ms.Adam(lr=ms.Cosine(0.01))])
def test_a_training_run(optimizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """History and weights, evaluations within an epoch included."""
    data = ms.Dataset.from_arrays(DATA.train.x, DATA.train.y, validation=0.2)
    runs = []
    for executor in ("numpy", "native"):
        monkeypatch.setenv("MINISGD_EXECUTOR", executor)
        runs.append(ms.train(net(), data, optimizer=optimizer, batch_size=5, epochs=7, evaluate_every=0.3))
    for a, b in zip(runs[0].history, runs[1].history, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {k: v for k, v in b.items() if k != "seconds"}
    assert_array_equal(runs[0].network.vector, runs[1].network.vector)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to a thread here")
def test_ctrl_c_is_heard_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends as interrupted, with every update that was begun finished and counted."""
    monkeypatch.setattr(consecutive_steps, "RESPONSE", 0.02)
    told = threading.Event()

    def progress(done: float, record: Any) -> None:
        if not told.is_set():
            told.set()
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    result = ms.train(
        ms.Network(ms.Linear(3)), DATA, batch_size=1, steps=10**9, evaluate_every=10**9, on_progress=progress
    )
    assert result.stopped == "interrupted"
    assert result.steps == result.examples > 0
    assert np.isfinite(result.network.vector).all()
