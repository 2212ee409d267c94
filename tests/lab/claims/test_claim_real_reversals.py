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
    return ms.claims(network, (x, 2 * x), only=[6, 7, 9, 17], seeds=5, validation=0.2)


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
