"""Whole runs on data built to reverse an effect: the verdict must follow, from training to page."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs


@pytest.fixture(scope="module")
def noiseless():
    """Every example has the same gradient: (w·x − y)·x is that of (−x, −y) too. A batch is worth one example."""
    x = np.where(np.arange(400) % 2, 1.0, -1.0)[:, None]
    network = ms.Network(ms.Linear(1, bias=False))
    return ms.claims(network, (x, 2 * x), only=[6, 7, 9, 15, 16, 17, 19, 20, 22], seeds=5, validation=0.2)


@pytest.fixture(scope="module")
def noisy():
    network = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(3))
    return ms.claims(network, gaussian_blobs(600, 5, 3, 3.0, seed=0), only=[6, 7, 9, 17], seeds=5)


def test_without_noise_a_larger_batch_saves_no_step(noiseless, noisy):
    assert noiseless[7].verdict == "refuted"
    assert noisy[7].verdict in ("qualified", "supported")
    np.testing.assert_allclose(noiseless[7].finding.effect.value, 1, rtol=0.05)


def test_without_noise_the_learning_rate_has_no_reason_to_grow(noiseless, noisy):
    assert noiseless[17].verdict == "refuted"
    assert noisy[17].verdict in ("qualified", "supported")


def test_without_noise_examples_are_wasted_in_proportion(noiseless):
    assert noiseless[9].verdict == "refuted"
    np.testing.assert_allclose(noiseless[9].finding.effect.value, 256 / 4, rtol=0.05)


def test_without_noise_no_batch_size_is_sharper_and_none_escapes(noiseless):
    assert noiseless[15].verdict == noiseless[16].verdict == "refuted"
    np.testing.assert_allclose([noiseless[n].finding.effect.value for n in (15, 16)], 1, rtol=1e-3)


def test_with_noise_a_small_batch_leaves_for_a_flatter_place():
    network = ms.Network(ms.Linear(16), ms.ReLU(), ms.Linear(10))
    found = ms.claims(network, ms.datasets.digits(), only=[16], seeds=5)
    assert found[16].verdict in ("qualified", "supported")
    assert found[16].finding.effect.high < 0.8


def test_without_noise_no_optimizer_likes_larger_batches(noiseless):
    assert noiseless[20].verdict == "refuted"
    np.testing.assert_allclose(noiseless[20].finding.effect.value, 1, rtol=0.05)


def test_without_noise_examples_are_arithmetic_and_nothing_is_gained_by_growing(noiseless):
    assert noiseless[22].finding.effect.value == 1 and noiseless[19].verdict == "qualified"
