"""What a training run takes, by tracemalloc: as planned, and besides its arrays nothing for each example of a batch."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

import minisgd as ms
from minisgd.nn.models import model
from minisgd.training.prepare import prepare
from tests.backend.cpu.native.bits import needs_native


def mlp() -> ms.Network:
    return ms.Network(ms.Linear(64), ms.ReLU(), ms.Linear(10))


def cnn() -> ms.Network:
    block = (ms.Conv2d(8, 3, padding="same"), ms.BatchNorm(), ms.ReLU(), ms.MaxPool2d(2))
    return ms.Network(*block, ms.Flatten(), ms.Linear(10))


def besides_arrays(network: ms.Network, shape: Any, batch_size: int) -> tuple[int, int]:
    """Return the bytes of a run on a whole and a shorter batch, without its arrays, and the bytes of the plan."""
    rng, n = np.random.default_rng(0), batch_size + batch_size // 2
    data = ms.Dataset.from_arrays(rng.random((n, *shape), np.float32), rng.integers(0, 10, n), validation=None)
    prepared = prepare(network, data, ms.SGD(lr=0.1), batch_size=batch_size)
    tracemalloc.start()
    try:
        session = prepared.session(last_batch="use")
        for _ in range(2):
            session.advance(lambda: True)
        gc.collect()
        planned = session.plan.bytes()
        return tracemalloc.get_traced_memory()[0] - planned, planned
    finally:
        tracemalloc.stop()


@needs_native
@pytest.mark.parametrize(("network", "shape"), [(mlp(), (784,)), (cnn(), (32, 32, 3))], ids=["mlp", "cnn"])
def test_a_recorded_program_takes_no_memory_for_each_example(network: ms.Network, shape: Any) -> None:
    few, fewer_planned = besides_arrays(network, shape, 32)
    many, planned = besides_arrays(network, shape, 256)
    # products of another shape may be cut into other pieces, a few calls more or fewer
    assert many - few < 0.02 * (planned - fewer_planned) + (1 << 16)
    assert few < 1 << 20


def test_of_ranks_the_memory_is_that_of_one():
    net = ms.Network(ms.Linear(128), ms.ReLU(), ms.Linear(10))
    plans = {n: ms.memory_plan(net, (784,), 1024, ranks=n) for n in (1, 2, 16)}
    for n, plan in plans.items():
        shards = max(8, n)
        exact = ms.memory_plan(net, (784,), 1024 // shards)
        assert plan.bytes_per_example == -(-exact.bytes_per_example // shards)
        assert plan.by_owner["activations"] == exact.by_owner["activations"]
    assert plans[2].bytes > plans[16].bytes  # where fewer sums wait for each other
    limited = ms.memory_plan(net, (784,), 1024, ranks=2, memory_limit=plans[2].bytes)
    assert limited.micro_batch == 128 and 1024 <= limited.largest_batch < 1032
    with pytest.raises(ms.MinisgdError, match="ranks must be an integer of at least 1"):
        ms.memory_plan(net, (784,), 32, ranks=0)


@needs_native
@pytest.mark.parametrize("batch_size", [32, 256])
@pytest.mark.parametrize(
    ("name", "shape"), [("mlp:256,128", (784,)), pytest.param("cnn", (32, 32, 3), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("short", [False, True])
def test_a_plan_is_within_two_per_cent_of_the_peak(name: str, shape: Any, batch_size: int, short: bool) -> None:
    rng, n = np.random.default_rng(0), batch_size + short * batch_size // 2
    data = ms.Dataset.from_arrays(rng.random((n, *shape), np.float32), rng.integers(0, 10, n), validation=None)
    optimizer = ms.SGD(lr=0.1, momentum=0.9)
    plan = ms.memory_plan(model(name, shape, 10), shape, batch_size, optimizer)

    def peak() -> int:
        prepared = prepare(model(name, shape, 10), data, optimizer, batch_size=batch_size)
        gc.collect()
        tracemalloc.start()
        try:
            session = prepared.session(last_batch="use")
            for _ in range(3):
                session.advance(lambda: True)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # what a process allocates once, tables that grow for instance, is not in all of them
    taken = min(peak() for _ in range(3))
    assert plan.bytes + plan.recorded_program == pytest.approx(taken, rel=0.02)


@pytest.mark.parametrize("name", ["linear", "mlp-bn:128,64", "mlp:64,64,64,64", "autoencoder:16"])
def test_a_recorded_program_is_counted_for_any_network(name: str) -> None:
    plan = ms.memory_plan(model(name, (64,), 64), (64,), 32, ms.Adam(lr=0.1), loss=ms.MeanSquaredError())
    assert 100_000 < plan.recorded_program < 1_000_000
    assert plan.to_dict()["recorded_program"] == plan.recorded_program and "recorded program" in str(plan)


def test_what_no_memory_holds_is_planned_all_the_same() -> None:
    plan = ms.memory_plan(ms.Network(ms.Linear(10**7)), (10**7,), 32)
    assert plan.by_owner["parameters"] > 4 * 10**14 and plan.recorded_program > 0
