"""The memory plan against the allocator."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.instruments.memory.fit import MemoryPoint, memory_fit, summarise
from minisgd.nn.models import model
from minisgd.training.feeds.feed import ExampleSpec


@pytest.fixture(scope="module")
def digits() -> ms.Dataset:
    return ms.datasets.digits(validation=0.0)


def test_points_on_a_line_give_the_line() -> None:
    points = [MemoryPoint(b, 1000 + 64 * b, 2 * (1000 + 64 * b) + 300) for b in (1, 8, 64, 512)]
    found = summarise(points, 9, np.random.default_rng(0))
    assert_allclose([found.slope, found.overhead_bytes, found.r_squared], [2, 300, 1])
    assert_allclose([*found.slope_interval, *found.overhead_interval], [2, 2, 300, 300], rtol=1e-6)


def test_a_point_off_the_line_is_seen() -> None:
    points = [MemoryPoint(b, 64 * b, 64 * b) for b in (1, 8, 64, 512)]
    found = summarise([*points, MemoryPoint(256, 64 * 256, 128 * 256)], 9, np.random.default_rng(0))
    assert found.r_squared < 0.95
    low, high = found.slope_interval
    assert high - low > 0.1


def test_a_dense_network_takes_what_its_plan_says(digits: ms.Dataset) -> None:
    net, optimizer = model("mlp:256", (64,), 10), ms.Adam(lr=0.1)
    found = memory_fit(net, digits, [1, 64, 512, 1024], optimizer=optimizer)
    for point in found.points:
        assert point.planned_bytes == ms.memory_plan(
            model("mlp:256", (64,), 10), (64,), point.batch_size, optimizer,
            spec=ExampleSpec.of(digits.train, digits.scale, "float32"),
        ).bytes  # fmt: skip
        assert point.measured_bytes >= point.planned_bytes
    assert_allclose(found.slope, 1, atol=0.03)
    assert found.r_squared > 0.999 and 0 < found.overhead_bytes < 300_000
    assert found.examples == 1797 and "4 batch sizes" in found.how and "measured = 1.0" in str(found)
    assert not tracemalloc.is_tracing()


@pytest.mark.parametrize(
    ("name", "shape", "program"),
    [("mlp:256,128", (784,), 300_000), pytest.param("cnn", (32, 32, 3), 1_500_000, marks=pytest.mark.slow)],
)
def test_what_grows_with_the_batch_is_planned(name: str, shape: tuple[int, ...], program: int) -> None:
    """The plan counts arrays; the recorded program comes on top, nearly the same for every batch size."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(256, *shape)).astype(np.float32), rng.integers(0, 10, 256)
    found = memory_fit(model(name, shape, 10), data, [32, 256], optimizer=ms.SGD(lr=0.1, momentum=0.9))
    assert_allclose(found.slope, 1, atol=0.02)
    assert 0 < found.overhead_bytes < program


def test_the_network_is_not_changed(digits: ms.Dataset) -> None:
    net = model("mlp-bn:8", (64,), 10).build((64,))
    before = net.vector.copy()
    assert [p.batch_size for p in memory_fit(net, digits.subset(20)).points] == [2, 4, 8, 16]
    np.testing.assert_array_equal(net.vector, before)


def test_refusals(digits: ms.Dataset) -> None:
    net = model("linear", (64,), 10)
    with pytest.raises(ms.ArgumentError, match="at least two"):
        memory_fit(net, digits, [8])
    with pytest.raises(ms.ArgumentError, match="from 1 to N = 1797"):
        memory_fit(net, digits, [8, 4096])
    tracemalloc.start()
    try:
        with pytest.raises(ms.ArgumentError, match="tracemalloc must be stopped"):
            memory_fit(net, digits, [8, 16])
    finally:
        tracemalloc.stop()
