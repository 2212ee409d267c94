"""Powers of two against their neighbours: an effect that is put in comes out, and where there is none, none does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.instruments.throughput.pairs import compare, powers_of_two

POWERS = [8, 16, 32, 64]
SIZES = np.array([size for power in POWERS for size in (power - 1, power, power + 1)])


def measured(seed: int, effect: float) -> np.ndarray:
    """Return times on a line, with noise, a busy second half, and powers of two that take ``effect`` times as long."""
    rng = np.random.default_rng(seed)
    t = 1e-3 + SIZES / 64_000
    t = t * np.where(np.isin(SIZES, POWERS), effect, 1.0)
    busy = np.where(np.arange(5) > 2, 3.0, 1.0)[:, None]
    return t * busy * np.exp(0.02 * rng.standard_normal((5, 5, len(SIZES))))


def test_exact_times_on_a_line_give_one() -> None:
    builds = np.tile(1e-3 + SIZES / 64_000, (5, 5, 1))
    found = compare(POWERS, builds, 100)
    assert_allclose([p.ratio for p in found.powers], 1.0, rtol=1e-12)
    assert_allclose([found.ratio, *found.interval], 1.0, rtol=1e-12)


@pytest.mark.parametrize("effect", [0.9, 1.0, 1.2])
def test_an_effect_that_is_put_in_comes_out(effect: float) -> None:
    found = [compare(POWERS, measured(seed, effect), 100) for seed in range(40)]
    assert_allclose(np.mean([each.ratio for each in found]), effect, rtol=0.005)
    assert np.mean([each.interval[0] <= effect <= each.interval[1] for each in found]) >= 0.85
    if effect != 1:
        assert all(each.interval[1] < 1 or each.interval[0] > 1 for each in found)


def test_on_a_network() -> None:
    data = ms.datasets.digits(validation=0.0).subset(20)
    found = powers_of_two(ms.Network(ms.Linear(10)), data, optimizer=ms.SGD(lr=0.1, momentum=0.9))
    assert [p.batch_size for p in found.powers] == [8, 16]
    assert found.interval[0] <= found.ratio <= found.interval[1]
    assert found.examples == 20 and "random order" in found.how and "of the time of its neighbours" in str(found)


@pytest.mark.parametrize("powers", [[12], [2], [2048], [8.0], [True]])
def test_what_is_no_power_of_two_is_refused(powers: list) -> None:
    with pytest.raises(ms.ArgumentError, match="powers must be powers of two from 4 to below N = 1797"):
        powers_of_two(ms.Network(ms.Linear(10)), ms.datasets.digits(validation=0.0), powers)


def test_too_few_examples_are_refused() -> None:
    data = np.zeros((6, 2)), np.arange(6) % 2
    with pytest.raises(ms.ArgumentError, match="at least one power of two below N"):
        powers_of_two(ms.Network(ms.Linear(2)), data)
