"""Step time against batch size: what is estimated from times that are known, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.instruments.throughput.speed import Speed, speed, summarise

SIZES = [1, 4, 16, 64, 256, 1024]
T0, RATE = 1e-3, 64_000.0
TRUTH = T0 + np.array(SIZES) / RATE


def estimated(seed: int, noise: float = 0.05, truth: np.ndarray = TRUTH) -> Speed:
    rng = np.random.default_rng(seed)
    taken = truth * np.exp(noise * rng.standard_normal((11, len(SIZES))))
    return summarise(SIZES, taken, 2000, "from made-up times", rng)


def test_exact_times_give_the_line_and_intervals_of_no_width() -> None:
    found = estimated(0, noise=0.0)
    assert_allclose([found.t0_seconds, found.examples_per_second, found.knee], [T0, RATE, 64], rtol=1e-9)
    assert_allclose(found.knee_interval, (64, 64), rtol=1e-6)
    assert_allclose(found.residual, 0, atol=1e-12)
    assert_allclose([p.step_seconds for p in found.points], TRUTH)
    assert_allclose([p.examples_per_second for p in found.points], SIZES / TRUTH)
    assert_allclose(found.seconds(64), 2e-3)


@pytest.mark.parametrize("visits", [3, 11])
def test_intervals_hold_the_truth_as_often_as_they_say(visits: int) -> None:
    """Noise of the visits, a busy moment that slows a round as a whole, and a line that is off by 5% here and there."""
    rng, found, times = np.random.default_rng(visits), [], []
    for _ in range(300):
        truth = TRUTH * np.exp(0.05 * rng.standard_normal(len(SIZES)))
        noise = 0.05 * rng.standard_normal((visits, len(SIZES))) + 0.05 * rng.standard_normal((visits, 1))
        found.append(summarise(SIZES, truth * np.exp(noise), 2000, "", rng))
        times.append(truth)
    for value, interval in ((T0, "t0_interval"), (RATE, "examples_per_second_interval"), (64.0, "knee_interval")):
        held = [low <= value <= high for low, high in (getattr(each, interval) for each in found)]
        assert np.mean(held) >= 0.93, interval
    points = [low <= s <= high for each, truth in zip(found, times, strict=True) for (low, high), s in zip(
        (p.interval for p in each.points), truth, strict=True)]  # fmt: skip
    assert np.mean(points) >= 0.92  # of medians, which scatter a little more than means


def test_a_busy_moment_does_not_move_the_medians() -> None:
    rng = np.random.default_rng(0)
    taken = np.tile(TRUTH, (11, 1))
    taken[[2, 5, 7]] *= 4
    assert_allclose(summarise(SIZES, taken, 2000, "", rng).knee, 64, rtol=1e-9)


def test_a_line_that_does_not_fit_says_so() -> None:
    """A machine that is twice as slow from 256 on: the interval of the knee is wide, though the times are exact."""
    found = estimated(0, noise=0.0, truth=TRUTH * np.where(np.array(SIZES) >= 256, 2.0, 1.0))
    assert found.residual > 0.1
    low, high = found.knee_interval
    assert high > 1.5 * low


def test_relative_errors_weigh_alike() -> None:
    """10% too slow at B = 1 moves t0 by about as much as it would in a table of small batches only."""
    wrong = TRUTH * np.array([1.1, 1, 1, 1, 1, 1])
    assert 1.01 < estimated(0, noise=0.0, truth=wrong).t0_seconds / T0 < 1.1


# ------------------------------------------------ on a network


@pytest.fixture(scope="module")
def digits() -> ms.Dataset:
    return ms.datasets.digits(validation=0.0)


def net(*extra: ms.Layer) -> ms.Network:
    return ms.Network(ms.Linear(8), *extra, ms.ReLU(), ms.Linear(10))


def test_a_network_is_timed_and_not_changed(digits: ms.Dataset) -> None:
    network = net().build((64,))
    before = network.vector.copy()
    found = speed(network, digits, [256, 1, 16], optimizer=ms.Adam(lr=0.1), visits=3)
    assert [p.batch_size for p in found.points] == [1, 16, 256]
    assert all(0 < p.interval[0] <= p.step_seconds <= p.interval[1] for p in found.points)
    assert found.examples == 1797 and "3 visits to each of 3 batch sizes" in found.how
    np.testing.assert_array_equal(network.vector, before)
    document = json.loads(json.dumps(found.to_dict()))
    assert {"t0_seconds", "examples_per_second", "knee", "points"} <= document.keys()
    assert document["points"][0]["batch_size"] == 1 and document["points"][0]["step_seconds"] > 0


def test_default_sizes_are_those_that_can_be_trained_on() -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(9, 3)), np.arange(9) % 3
    small = ms.Network(ms.Linear(3))
    assert [p.batch_size for p in speed(small, data, visits=3).points] == [1, 2, 4, 8]
    coupled = ms.Network(ms.Linear(3), ms.BatchNorm())
    assert [p.batch_size for p in speed(coupled, data, visits=3).points] == [2, 4, 8]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_sizes": [32]}, "batch_sizes must be at least two"),
        ({"batch_sizes": []}, "batch_sizes must be at least two"),
        ({"batch_sizes": [0, 2]}, "integers from 1 to N = 1797"),
        ({"batch_sizes": [1, 2000]}, "integers from 1 to N = 1797"),
        ({"batch_sizes": [1, 2.5]}, "integers from 1 to N = 1797"),
        ({"visits": 2}, "visits must be an integer of at least 3"),
        ({"optimizer": 0.1}, "optimizer must be an optimizer object"),
        ({"threads": 0}, "threads must be a positive integer"),
    ],
)
def test_refusals(options: dict, says: str, digits: ms.Dataset) -> None:
    with pytest.raises(ms.ArgumentError, match=says):
        speed(net(), digits, **options)


def test_batch_norm_refuses_one_example(digits: ms.Dataset) -> None:
    with pytest.raises(ms.MinisgdError, match="BatchNorm"):
        speed(net(ms.BatchNorm()), digits, [1, 2])
    with pytest.raises(ms.DtypeError, match="network must be an ms.Network"):
        speed(ms.Linear(3), digits)  # type: ignore[arg-type]
