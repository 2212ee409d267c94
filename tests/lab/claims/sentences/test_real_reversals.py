"""Whole runs on data built to reverse an effect: the verdict must follow, from training to page."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs

pytestmark = pytest.mark.usefixtures("known_step_times")

ONLY = [5, 6, 7, 9, 15, 16, 17, 19, 20, 22, 26]


@pytest.fixture(scope="module")
def noiseless(known_step_times):
    """Every example has the same gradient: (w·x − y)·x is that of (−x, −y) too. A batch is worth one example."""
    x = np.where(np.arange(400) % 2, 1.0, -1.0)[:, None]
    network = ms.Network(ms.Linear(1, bias=False))
    return ms.claims(network, ms.Dataset.from_arrays(x, 2 * x, validation=0.2), only=ONLY, seeds=5)


@pytest.fixture(scope="module")
def noisy(known_step_times):
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


def test_without_noise_curves_are_as_smooth_at_every_batch_size(noiseless):
    assert noiseless[5].verdict == "refuted"
    np.testing.assert_allclose(noiseless[5].finding.effect.value, 0, atol=1e-3)


def test_without_noise_small_batches_lose_nothing(noiseless, noisy):
    assert noiseless[6].verdict == "supported" and noiseless[22].verdict == "refuted"
    assert noisy[6].verdict in ("qualified", "refuted")


def test_without_noise_the_full_batch_is_no_more_precise(noiseless):
    assert noiseless[26].verdict != "supported"


def test_where_one_number_is_to_be_learnt_neither_more_examples_nor_their_order_matter():
    x = np.where(np.arange(2400) % 2, 1.0, -1.0)[:, None]
    y = 2 * x + np.random.default_rng(0).normal(size=x.shape)
    found = ms.claims(ms.Network(ms.Linear(1, bias=False)), (x, y), only=[31], seeds=5, validation=0.2)
    assert found[31].verdict == "refuted", found[31].finding


def test_results_without_a_meaning_cost_one_verdict_and_not_the_run():
    """Classes that any step tells apart: some critical batch sizes have no steps to be fitted to."""
    x = 3 * np.eye(3)[np.arange(600) % 3]
    found = ms.claims(ms.Network(ms.Linear(3)), (x, np.arange(600) % 3), only=[21, 25], seeds=5, validation=0.2)
    assert found[21].verdict == "refuted" and found[25].verdict in ("not decided", "refuted", "supported", "qualified")
