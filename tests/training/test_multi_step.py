"""Telling the device several updates at once changes nothing but how often it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from minisgd.optim.optimizer import FLUSH_EVERY
from minisgd.training.multi_step import MultiStepSession
from minisgd.training.prepare import prepare
from minisgd.training.session import Session

RNG = np.random.default_rng(0)
DATA = ms.Dataset.from_arrays(RNG.standard_normal((90, 6)), np.arange(90) % 3, validation=None)


@pytest.fixture(autouse=True)
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare with a session that takes single steps."""
    monkeypatch.setenv("MINISGD_EXECUTOR", "numpy")


def net() -> ms.Network:
    return ms.Network(ms.Linear(8), ms.BatchNorm(), ms.ReLU(), ms.Dropout(0.3), ms.Linear(3))


def pair(
    steps_per_launch: int = 4, *, lr_factors: Any = None, sampling: Any = "shuffle", last: Any = "use", **options: Any
) -> Any:
    """Return the same training run twice: told step by step, and told several updates ahead."""
    options = {"batch_size": 32, "seeds": 0, **options}
    optimizer = options.pop("optimizer", ms.Adam(lr=0.01))
    prepared = prepare(net(), DATA, optimizer, **options)
    one = prepared.session(sampling=sampling, last_batch=last, lr_factors=lr_factors, epochs=5)
    prepared = prepare(net(), DATA, optimizer, **options)
    prepared = replace(prepared, recipe=replace(prepared.recipe, steps_per_launch=steps_per_launch))
    other = prepared.session(sampling=sampling, last_batch=last, lr_factors=lr_factors, epochs=5)
    assert type(one) is Session and type(other) is MultiStepSession
    return one, other


def run(session: Session, steps: int) -> list[int]:
    """Take so many updates; return how many at once."""
    taken = []
    while session.steps < steps:
        before = session.steps
        session.advance(lambda: session.steps >= steps)
        taken.append(session.steps - before)
    return taken


def assert_same(one: Session, other: Session) -> None:
    assert_array_equal(other.network.vector, one.network.vector)
    assert_array_equal(other.network.statistics, one.network.statistics)
    assert (other.steps, other.examples, other.epochs, other.lr) == (one.steps, one.examples, one.epochs, one.lr)
    assert_array_equal(other.take_train_loss(), one.take_train_loss())


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "divides": {"batch_size": 30},
    "two examples": {"batch_size": 2},
    "dropped": {"last": "drop"},
    "replacement": {"sampling": "replacement"},
    "whole set": {"batch_size": "full"},
    "whole set, drawn": {"batch_size": "full", "sampling": "replacement"},
    "schedule": {"optimizer": ms.SGD(lr=ms.Cosine(0.1), momentum=0.9)},
    "warm-up": {"optimizer": ms.SGD(lr=ms.Warmup(0.1, epochs=2))},
    "growing batch": {"batch_size": ms.GrowBatch(8, 32, every=1)},
    "clipped": {"clip_norm": 0.1},
    "replicas": {"seeds": [0, 1, 1], "lr_factors": [1, 0.1, 0.5]},
    "replicas, whole set": {"seeds": [0, 1], "batch_size": "full"},
    "replicas, schedule": {"seeds": [3, 4], "lr_factors": [1, 2], "optimizer": ms.SGD(lr=ms.Cosine(0.1))},
}


@pytest.mark.parametrize("name", CASES)
def test_it_changes_no_bit(name: str) -> None:
    one, other = pair(**CASES[name])
    for goal in (1, 2, 9, 14):
        assert max(run(one, goal)) == 1
        run(other, goal)
        assert_same(one, other)


def test_as_many_at_once_as_have_the_same_size_and_nobody_waits_for() -> None:
    _, session = pair(steps_per_launch=4)
    assert run(session, 9) == [2, 1, 2, 1, 2, 1]  # 32 + 32 + 26 of 90
    _, session = pair(steps_per_launch=4, last="drop")
    assert run(session, 9) == [4, 4, 1]
    _, session = pair(steps_per_launch=4, batch_size=30)
    assert run(session, 7) == [4, 3]


def test_nothing_runs_over_the_flush_of_small_state() -> None:
    one, other = pair(steps_per_launch=100, batch_size=30)
    run(one, FLUSH_EVERY + 10)
    assert run(other, FLUSH_EVERY + 10) == [100, 100, 56, 10]
    assert_same(one, other)


def test_replicas_that_leave() -> None:
    one, other = pair(seeds=[0, 1, 2], lr_factors=[1.0, 0.3, 0.1], optimizer=ms.SGD(lr=ms.Cosine(0.1)))
    for session in (one, other):
        run(session, 5)
        session.keep([0, 2])
        run(session, 12)
    assert_same(one, other)


def test_single_steps_in_between() -> None:
    """A caller who wants to see the gradient asks for one step, and gets it."""
    one, other = pair(batch_size=30)
    seen: list[Any] = []
    for session in (one, other):
        run(session, 3)
        session.step(lambda index, gradient: seen.append((index.copy(), gradient.copy())))
        run(session, 9)
    assert_array_equal(seen[0][0], seen[1][0])
    assert_array_equal(seen[0][1], seen[1][1])
    assert_same(one, other)


def test_its_tables_are_in_the_memory_plan() -> None:
    one, other = pair(steps_per_launch=8)
    assert other.plan.bytes() - one.plan.bytes() == 8 * 32 * 8 + 8 * 4 + 8
