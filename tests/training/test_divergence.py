"""A training run that diverges is told soon, with the step and the layer of the first number that was not finite."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import minisgd as ms
from minisgd.nn.initializers import Constant
from minisgd.training import consecutive_steps, divergence
from tests.backend.cpu.native.bits import needs_native

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(256, 6)).astype(np.float32), np.arange(256) % 3


class BreaksAt(ms.Layer):
    """The identity, until one of its numbers is divided by zero."""

    def __init__(self, step: int, backward: bool = False) -> None:
        super().__init__("breaking")
        self.step, self.in_backward = step, backward

    def declare(self, x: Any) -> ms.Declaration:
        rest = {"rest": ms.Statistic((1, 1), Constant(float(self.step)))}
        return ms.Declaration(y=x, statistics=rest, buffers={"work": ms.Buffer((1, 1))})

    def _pass(self, ops: Any, a: Any, out: Any, breaks: bool) -> Any:
        if breaks:  # a / (how many steps are left), which never comes back from 0
            ops.subtract(self.rest, 1.0, out=self.rest)
            ops.divide(self.rest, self.rest, out=self.work)
            ops.multiply(a, self.work, out=out)
        else:
            ops.copy(a, out=out)
        return out

    def forward(self, ops: Any, x: Any) -> Any:
        return self._pass(ops, x, self.y, not self.in_backward)

    def backward(self, ops: Any, dy: Any) -> Any:
        return self._pass(ops, dy, self.dx, self.in_backward)


@pytest.fixture(params=["numpy", pytest.param("native", marks=needs_native)])
def executor(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MINISGD_EXECUTOR", request.param)
    monkeypatch.setattr(consecutive_steps, "RESPONSE", 1e9)
    return str(request.param)


def network(step: int, backward: bool = False) -> ms.Network:
    return ms.Network(ms.Linear(5), BreaksAt(step, backward), ms.ReLU(), ms.Linear(3, name="last"))


def diverged(net: ms.Network, **settings: Any) -> ms.DivergedError:
    settings = {"batch_size": 8, "epochs": 50, "evaluate_every": 50, **settings}
    with pytest.raises(ms.DivergedError) as caught:
        ms.train(net, (X, Y), **settings)
    return caught.value


@pytest.mark.parametrize("step", [1, 2, 77])
def test_the_step_and_the_layer_are_named(executor: str, step: int) -> None:
    error = diverged(network(step))
    assert f"in step {step}, first in the output of BreaksAt 'breaking'" in str(error)
    assert error.run.steps == step and len(error.run.history) == 1 and error.run.stopped == "diverged"


def test_a_gradient_that_breaks_shows_in_the_next_step(executor: str) -> None:
    assert "in step 5, first in the output of Linear (layer 0)" in str(diverged(network(4, backward=True)))


def test_the_last_step_is_looked_at_too(executor: str) -> None:
    error = diverged(network(6, backward=True), epochs=None, steps=6)
    assert "in step 6, first in the gradient of 0.b" in str(error) or "the gradient of 0.W" in str(error)
    assert ms.train(network(6, backward=True), (X, Y), batch_size=8, steps=5).stopped == "finished"


def test_a_learning_rate_too_large(executor: str) -> None:
    net = ms.Network(ms.Linear(50), ms.ReLU(), ms.Linear(50), ms.ReLU(), ms.Linear(1))
    error = diverged(
        net, optimizer=ms.SGD(10.0), loss=ms.MeanSquaredError(), task="regression", metrics=["mae"], validation=0.2
    )
    assert error.run.steps < 20 and "lower the learning rate" in error.fix
    (step,) = map(int, re.findall(r"(?:in|by) step (\d+)", str(error)))
    assert step == error.run.steps


def test_micro_batches_and_schedules(executor: str) -> None:
    assert "in step 3" in str(diverged(network(5), micro_batch=4))
    settings: Any = {"optimizer": ms.Adam(ms.Cosine(0.01)), "batch_size": ms.GrowBatch(8, 32, every=1)}
    assert "in step 70" in str(diverged(network(70), **settings))


@pytest.mark.parametrize(
    ("settings", "of_network"),
    [
        ({}, (23,)),
        ({"batch_size": 7}, (2,)),
        ({"optimizer": ms.Adam(ms.Cosine(0.01)), "batch_size": ms.GrowBatch(8, 32, every=1)}, (70,)),
        ({"micro_batch": 4}, (5, True)),
        ({"epochs": None, "steps": 6}, (6, True)),
    ],
    ids=str,
)
def test_a_device_at_work_is_asked_now_and_then_and_says_the_same(
    fake_cupy: Any, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], of_network: tuple[Any, ...]
) -> None:
    monkeypatch.setattr(divergence, "SECONDS", 0.0)
    monkeypatch.setattr(divergence, "SHARE", float("inf"))
    here, there = (diverged(network(*of_network), device=device, **settings) for device in ("cpu", "cuda"))
    where = r"in step \d+, first in the \w+ of \S+( '\w+'| \(layer \d\))?"
    assert re.search(where, str(here))[0] == re.search(where, str(there))[0]  # type: ignore[index]
    assert here.run.steps == there.run.steps


def test_a_learning_rate_too_large_on_a_device(fake_cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks before the end of the epoch here, so all updates are taken again."""
    monkeypatch.setenv("MINISGD_EXECUTOR", "numpy")
    net = ms.Network(ms.Linear(50), ms.ReLU(), ms.Linear(3))
    here, there = (
        diverged(net, optimizer=ms.SGD(1e6), dtype="float64", device=device, epochs=3) for device in ("cpu", "cuda")
    )
    assert here.run.steps == there.run.steps < 20


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.1", None, True])
def test_a_schedule_that_gives_no_number_is_refused(executor: str, value: Any) -> None:
    def rate(progress: ms.Progress) -> Any:
        return value if progress.step > 3 else 0.1

    with pytest.raises((ms.ArgumentError, ms.DtypeError), match="lr must be a schedule of finite numbers, got"):
        ms.train(network(99), (X, Y), optimizer=ms.SGD(lr=rate), batch_size=8, steps=9)
