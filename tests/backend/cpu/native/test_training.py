"""300 updates natively and by NumPy leave the same bits, and of every program it is known which calls run natively."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from benchmarks.harness.workloads import WORKLOADS
from minisgd.backend import Program
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.prepare import prepare
from minisgd.training.session import Session
from tests.backend.cpu.native.bits import needs_native
from tests.nn.layer_tables import CASES, LAYERS, LOSSES, shape_of
from tests.optim.optimizer_table import OPTIMIZERS

pytestmark = needs_native
STEPS = 300
RNG = np.random.default_rng(0)

Trained = tuple[Session, list[np.ndarray], list[Program]]


def trained(make: Any, steps: int = STEPS) -> Trained:
    """Train, with an evaluation and a prediction in between; return all that was computed, and the programs."""
    prepared = make()
    session, evaluator, found = prepared.session(epochs=steps), prepared.evaluator(), []
    with quiet_arithmetic():
        for step in range(1, steps + 1):
            session.step()
            if step % 100 == 0:
                found.append(session.take_train_loss())
                if evaluator is not None:
                    score = evaluator.score()
                    found += [score.loss] if score.accuracy is None else [score.loss, score.accuracy]
        found.append(session.network.copy().predict(prepared.data.train.x[:7]))
    found += [np.array(session.network.vector), np.array(session.network.statistics)]
    programs = [p for gather, gradient, _ in session._gradients.values() for p in (gather, gradient)]
    more = (vars(session).get(name) for name in ("interpolation", "_flush", "_accumulate"))
    programs += [p for p in (*session._update_programs.values(), *more) if p]
    if evaluator is not None:
        programs += [program for program, _ in evaluator._programs.values()]
    return session, found, programs


def assert_same(monkeypatch: pytest.MonkeyPatch, make: Any, steps: int = STEPS) -> dict[str, int]:
    """Train by both executors; return how many calls ran natively, and which operations by NumPy."""
    monkeypatch.setenv("MINISGD_EXECUTOR", "numpy")
    _, expected, _ = trained(make, steps)
    monkeypatch.setenv("MINISGD_EXECUTOR", "native")
    _, found, programs = trained(make, steps)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert_array_equal(a, b)
        assert a.tobytes() == b.tobytes()
    assert {program.executor for program in programs} == {"native"}
    counts: dict[str, int] = {"native": 0}
    for program in programs:
        for call, executor in zip(program, program.executors(), strict=True):
            key = "native" if executor == "native" else call.op
            counts[key] = counts.get(key, 0) + 1
    return counts


def data(shape: Sequence[int], n: int = 23, outputs: int = 3) -> ms.Dataset:
    x, y = RNG.standard_normal((n, *shape)), np.arange(n) % outputs
    return ms.Dataset.from_arrays(x, y, validation=0.2)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_layer(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short batches included: 18 examples, 7 at a time."""
    shape = shape_of(kind, np.random.default_rng(1))
    dataset = ms.Dataset.from_arrays(LAYERS[name].draw(RNG, (23, *shape)), np.arange(23) % 3, validation=0.2)

    def make() -> Any:
        net = ms.Network(LAYERS[name].make(shape), ms.Flatten(), ms.Linear(3))
        return prepare(
            net, dataset, ms.SGD(lr=0.01, momentum=0.9), batch_size=7, seeds=[0, 1] if kind == "features" else 0
        )

    counts = assert_same(monkeypatch, make)
    through_numpy = {
        "Dropout": {"uniform"},
        "RBM": {"uniform"},
        "RBM CD-2": {"uniform"},
        "RBM persistent": {"uniform"},
        "Embedding": {"copy"},
    }.get(name, set())
    assert set(counts) - {"native"} == through_numpy, counts


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_optimizer(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = data((5,))

    def make() -> Any:
        net = ms.Network(ms.Linear(70), ms.BatchNorm(), ms.ReLU(), ms.Linear(3))
        return prepare(net, dataset, OPTIMIZERS[name], batch_size=4, clip_norm=1.0, dtype=dtype)

    assert set(assert_same(monkeypatch, make)) == {"native"}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG.standard_normal((20, 5)), LOSSES[name].draw(np.random.default_rng(0), (20, 3))
    weight = RNG.uniform(0.5, 2, 20)
    y = np.maximum(y, 0) if y.dtype.kind == "i" else y  # every example has its class
    dataset = ms.Dataset.from_arrays(x, y, weight=weight, validation=0.2)

    def make() -> Any:
        net = ms.Network(ms.Linear(6), ms.Tanh(), ms.Linear(3))
        return prepare(net, dataset, ms.Adam(lr=0.01), loss=LOSSES[name].make(), batch_size=7, micro_batch=3)

    assert set(assert_same(monkeypatch, make)) == {"native"}


WORKLOAD_STEPS = {"W1": 300, "W1a": 300, "W2": 300, "W3": 30, "W5": 30}
"""A step of the convolutions and of the stack takes long; what they are made of runs 300 times above."""


@pytest.mark.parametrize("name", WORKLOAD_STEPS)
def test_every_workload(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.cpu.rivals.minisgd_rival import network
    from minisgd.backend.cpu.native.translation import BUFFERED_SUMS

    workload = WORKLOADS[name]
    b = workload.batch_sizes[0] if name != "W2" else 32
    x = RNG.random((5 * b + 3, *workload.input_shape)).astype(np.float32)
    dataset = ms.Dataset.from_arrays(x, np.arange(len(x)) % 10, validation=None, scale=1.0)
    optimizer = ms.Adam(lr=0.001) if workload.optimizer == "adam" else ms.SGD(lr=0.002, momentum=0.9)

    def make() -> Any:
        return prepare(network(workload), dataset, optimizer, batch_size=b, seeds=list(range(workload.replicas)))

    counts = assert_same(monkeypatch, make, WORKLOAD_STEPS[name])
    large_sums = {"sum", "max"} if BUFFERED_SUMS else set()
    assert set(counts) - large_sums == {"native"} and counts["native"] > 40


def test_bytes_that_become_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = RNG.integers(0, 256, (40, 6, 6, 1)).astype(np.uint8)
    dataset = ms.Dataset.from_arrays(pixels, np.arange(40) % 4, validation=0.2)

    def make() -> Any:
        net = ms.Network(ms.Flatten(), ms.Linear(8), ms.Dropout(0.3), ms.Linear(4))
        return prepare(net, dataset, ms.SGD(lr=0.1), batch_size=9)

    assert set(assert_same(monkeypatch, make)) == {"native", "uniform"}
