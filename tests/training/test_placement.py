"""Where the data set goes, by the memory there is; and what is said and kept where there is too little."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from minisgd.backend import NumpyOps, Plan
from minisgd.errors import MemoryLimitError
from minisgd.training.feeds.device_feeds import ResidentFeed, StreamedFeed
from minisgd.training.feeds.feed import Feed
from minisgd.training.placement import place, planned_memory, room
from minisgd.training.prepare import prepare

RNG = np.random.default_rng(0)
DATA = ms.Dataset.from_arrays(
    RNG.integers(0, 256, (600, 8, 8, 1)).astype(np.uint8), np.arange(600) % 10, validation=0.2, scale=1 / 255
)
SET = len(DATA.train) * (64 + 8) + 120 * (64 + 8)
"""Bytes of both splits."""


def net(width: int = 32) -> ms.Network:
    return ms.Network(ms.Flatten(), ms.Linear(width), ms.ReLU(), ms.Linear(10))


class Small(NumpyOps):
    """A device with so much memory."""

    device = "small"

    def __init__(self, free: int) -> None:
        super().__init__()
        self.free = free

    def free_memory(self) -> int:
        return self.free


def needed(kind: type[Feed]) -> int:
    return {ResidentFeed: 1000, StreamedFeed: 100}[kind]


def test_the_cpu_uses_the_arrays_of_the_caller() -> None:
    assert place(NumpyOps(), room(NumpyOps(), None), needed) is Feed
    assert room(NumpyOps(), 5) == 5 and room(NumpyOps(), None) is None


@pytest.mark.parametrize(("free", "limit", "kind"), [
    (1100, None, ResidentFeed), (1000, None, StreamedFeed), (10_000, 999, StreamedFeed), (10_000, 1000, ResidentFeed),
])  # fmt: skip
def test_another_device_holds_the_data_set_if_all_fits(free: int, limit: int | None, kind: type[Feed]) -> None:
    ops = Small(free)
    assert place(ops, room(ops, limit), needed) is kind


def training(fake_cupy: Any, **options: Any) -> Any:
    return prepare(net(), DATA, ms.SGD(lr=0.1), device="cuda", **{"batch_size": 64, **options})


def total(prepared: Any) -> int:
    """Return the bytes that a training run takes by its plans, which must be those that it really takes."""
    ops = prepared.recipe.network.ops
    pool = ops.cupy.get_default_memory_pool()
    before = pool.used_bytes()
    session, evaluator = prepared.session(), prepared.evaluator()
    for _ in range(3):
        session.step()
        evaluator.score()
    ops.synchronize()
    planned: int = session.plan.bytes() + evaluator.plan.bytes() + ops.own_bytes()
    blocks = len(session.arena.storage) + len(evaluator.arena.storage) + 20
    assert pool.used_bytes() - before <= planned + 512 * blocks  # the pool deals in blocks
    return planned


def test_the_plan_counts_the_data_set_and_the_limit_holds_for_all(fake_cupy: Any) -> None:
    roomy = training(fake_cupy)
    assert isinstance(roomy.recipe.feed, ResidentFeed) and roomy.recipe.micro_batch == 64
    whole = total(roomy)
    assert whole > SET
    tight = training(fake_cupy, memory_limit=whole)
    assert isinstance(tight.recipe.feed, ResidentFeed) and total(tight) == whole
    streamed = training(fake_cupy, memory_limit=whole - 1)
    assert isinstance(streamed.recipe.feed, StreamedFeed) and total(streamed) < whole
    small = total(streamed) - 10_000
    parts = training(fake_cupy, memory_limit=small)
    assert isinstance(parts.recipe.feed, StreamedFeed) and parts.recipe.micro_batch < 64
    assert total(parts) <= small
    with pytest.raises(MemoryLimitError, match="memory_limit must be at least"):
        training(fake_cupy, memory_limit="12MiB")


def test_every_way_to_hold_the_data_trains_alike(fake_cupy: Any) -> None:
    found = []
    for limit in (None, total(training(fake_cupy)) - 1):
        run = ms.train(net(), DATA, steps=25, batch_size=64, memory_limit=limit, device="cuda")
        found.append(run)
    for name, array in found[0].network.to_numpy().items():
        assert_array_equal(found[1].network.to_numpy()[name], array)
    assert found[0].history[-1]["val_loss"] == found[1].history[-1]["val_loss"]


def test_a_device_without_memory_is_our_error_with_the_plan_and_nothing_is_lost(fake_cupy: Any) -> None:
    host = net().build((8, 8, 1), seeds=4)
    before = host.vector.copy()
    started = ms.train(host, DATA, steps=2, device="cuda", batch_size=32)  # fits
    weights = started.network.to_numpy()
    from tests.cuda import fake_cupy as double

    gc.collect()  # what other tests have left would become room in between
    double.DEVICE.memory = double.DEVICE.allocated() + started.network.ops.own_bytes() + 200_000
    with pytest.raises(MemoryLimitError) as caught:
        ms.train(host, DATA, steps=2, device="cuda", batch_size=480)
    text = str(caught.value)
    for owner in ("parameters", "gradients", "activations", "data"):
        assert owner in text
    assert "memory of device 'cuda' must be enough for" in text and "are free" in text and "memory_limit" in text
    assert_array_equal(host.vector, before)
    for name, array in started.network.to_numpy().items():
        assert_array_equal(array, weights[name])
    del caught  # the error remembers the frames that hold the memory
    gc.collect()
    again = ms.train(host, DATA, steps=2, device="cuda", batch_size=32, memory_limit="14.15MiB")  # as the error says
    for name, array in again.network.to_numpy().items():
        np.testing.assert_allclose(array, weights[name], rtol=0, atol=1e-6)


def test_what_is_not_about_memory_passes() -> None:
    network = net().build((8, 8, 1))
    with pytest.raises(ValueError), planned_memory(network, Plan):
        raise ValueError
    with pytest.raises(MemoryLimitError, match="mine"), planned_memory(network, Plan):
        raise MemoryLimitError("limit", expected="mine", got=1, fix="none")
    with pytest.raises(MemoryLimitError, match="(?s)device 'cpu'.*no more memory"), planned_memory(network, Plan):
        raise MemoryError


def test_evaluation_and_saved_weights_do_not_mind_the_device(fake_cupy: Any, tmp_path: Path) -> None:
    run = ms.train(net(), DATA, steps=5, device="cuda", batch_size=64)
    file = run.save(tmp_path / "weights.safetensors")
    cpu = net().load(file)
    assert cpu.ops.device == "cpu" and run.network.load(file).ops.device == "cuda"
    for name, array in run.network.to_numpy().items():
        assert_array_equal(cpu.to_numpy()[name], array)
    here = ms.evaluate(cpu, run.loss, DATA.validation, DATA.scale)
    assert run.evaluate() == pytest.approx(here, rel=1e-6)
