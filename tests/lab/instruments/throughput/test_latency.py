"""Latency: the calls of a prediction, in the middle and at the slow end."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.lab.instruments.throughput.latency import LatencyPoint, _point, latency
from minisgd.lab.instruments.throughput.speed import SpeedPoint
from minisgd.lab.timing import clock
from minisgd.lab.timing.clock import Task


@pytest.fixture(scope="module")
def digits() -> ms.Dataset:
    return ms.datasets.digits(validation=0.0)


def network() -> ms.Network:
    return ms.Network(ms.Linear(8), ms.BatchNorm(), ms.ReLU(), ms.Linear(10)).build((64,))


def test_known_times_give_known_percentiles(digits: ms.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of 1 ms + B / 64000 s of which every 50th takes ten times as long."""

    def each(task: Task, calls: int) -> np.ndarray:
        b = len(task.call.args[0])  # type: ignore[attr-defined]
        slow = np.where(np.arange(200) % 50 == 49, 10.0, 1.0)
        return np.tile((1e-3 + b / 64_000) * slow, (2, 1))

    monkeypatch.setattr(Task, "each", each)
    found = latency(network(), digits, [1, 64, 1024], visits=5)
    assert_allclose([found.t0_seconds, found.examples_per_second, found.knee], [1e-3, 64_000, 64], rtol=1e-9)
    for point in found.points:
        assert isinstance(point, LatencyPoint)
        t = 1e-3 + point.batch_size / 64_000
        assert point.calls == 1000
        assert_allclose([point.p50_seconds, point.p99_seconds], [t, 10 * t])
        assert_allclose(point.p99_interval, (10 * t, 10 * t))
        assert_allclose(point.examples_per_second, point.batch_size / (1.18 * t))


def test_the_interval_of_the_slow_end_covers_at_its_level() -> None:
    rng = np.random.default_rng(0)
    point = SpeedPoint(4, 1e-3, (1e-3, 1e-3), 4000.0, 0.0)
    held = []
    for _ in range(400):  # calls are log-normal, and some visits fall into busy moments
        calls = 1e-3 * np.exp(0.3 * rng.standard_normal((11, 200)) + 0.1 * rng.standard_normal((11, 1)))
        low, high = _point(point, calls).p99_interval
        held.append(low <= 1e-3 * np.exp(2.326 * np.hypot(0.3, 0.1)) <= high)
    assert np.mean(held) >= 0.93
    few = _point(point, 1e-3 * np.exp(rng.standard_normal((11, 20))))
    assert few.p99_interval[1] == np.inf  # the slowest of 220 calls need not be among the slowest of a hundred


def test_a_network_is_timed_and_not_changed(digits: ms.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = count()
    monkeypatch.setattr(clock, "perf_counter", lambda: next(looks) / 1024)
    net = network()
    before, predicted = net.vector.copy(), net.predict(digits.train.x[:5])
    found = latency(net, digits, [1, 7, 300], visits=3)  # one example is a batch here, even with BatchNorm
    assert [p.batch_size for p in found.points] == [1, 7, 300]
    for point in found.points:
        assert isinstance(point, LatencyPoint)
        assert point.p50_seconds == point.p99_seconds == 1 / 1024 and point.calls >= 3
        assert point.p99_interval == (1 / 1024, np.inf if point.calls < 368 else 1 / 1024)
    assert_array_equal(net.vector, before)
    assert_array_equal(net.predict(digits.train.x[:5]), predicted)
    assert {"p50_seconds", "p99_seconds", "step_seconds"} <= found.to_dict()["points"][0].keys()


def test_bytes_are_scaled_as_in_training(digits: ms.Dataset) -> None:
    images = replace(digits, train=replace(digits.train, x=(16 * digits.train.x).astype(np.uint8)), scale=1 / 255)
    assert len(latency(ms.Network(ms.Linear(10)), images, [1, 2], visits=3).points) == 2


def test_refusals(digits: ms.Dataset) -> None:
    with pytest.raises(ms.ArgumentError, match="at least two"):
        latency(network(), digits, [1])
    with pytest.raises(ms.ArgumentError, match="visits"):
        latency(network(), digits, [1, 2], visits=0)
    with pytest.raises(ms.ShapeError, match="data must be examples of shape"):
        latency(ms.Network(ms.Linear(10)).build((3,)), digits)
