"""Whole runs on data built to reverse an effect: the verdict must follow, from training to page."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.timing.clock import Task

pytestmark = pytest.mark.usefixtures("known_step_times")

ONLY = [5, 6, 7, 9, 15, 16, 17, 19, 20, 22, 26, 38]


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


@pytest.mark.slow
def test_with_noise_a_small_batch_leaves_for_a_flatter_place():
    network = ms.Network(ms.Linear(16), ms.ReLU(), ms.Linear(10))
    found = ms.claims(network, ms.datasets.digits(), only=[16], seeds=5)
    assert found[16].verdict in ("qualified", "supported")
    assert found[16].finding.effect.high < 0.8


def test_without_noise_no_optimizer_likes_larger_batches(noiseless):
    assert noiseless[20].verdict == "refuted" and noiseless[38].verdict != "supported"  # Lion never comes to rest
    np.testing.assert_allclose([noiseless[n].finding.effect.value for n in (20, 38)], 1, rtol=0.05)


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


def test_without_noise_the_smallest_batch_is_the_fastest_and_nothing_but_noise_sets_the_batch_size(known_step_times):
    """Every example asks for the same step, and only validation targets scatter."""
    x = np.where(np.arange(800) % 2, 1.0, -1.0)[:, None]
    y = 2 * x + np.where(np.arange(800) < 600, 0.0, np.random.default_rng(0).normal(size=800))[:, None]
    data = ms.Dataset.from_arrays(x[:600], y[:600], validation=(x[600:], y[600:]))
    found = ms.claims(ms.Network(ms.Linear(1, bias=False)), data, only=[32, 37], seeds=5)
    assert found[32].verdict == "qualified" and found[32].finding.effect.low > 1.2  # 64 is slower than 4 and no worse
    assert found[37].verdict == "refuted", found[37].finding


def test_inputs_that_shift_a_lot_are_what_normalisation_calms():
    """Inputs so small that learning takes steps which move every layer; with a spread of one they hardly do."""
    blobs = gaussian_blobs(600, 5, 3, 3.0, seed=0).train
    network = ms.Network(ms.Linear(16), ms.ReLU(), ms.Linear(16), ms.ReLU(), ms.Linear(3))
    verdicts = {}
    for scale in (1.0, 0.02):
        data = ms.Dataset.from_arrays((scale * blobs.x).astype(np.float32), blobs.y, validation=0.2, seed=0)
        found = ms.claims(network, data, only=[34], seeds=5)[34]
        verdicts[scale] = found.verdict, found.finding.more[0].high
    assert verdicts[0.02][0] == "supported" and verdicts[1.0][0] != "supported"
    assert verdicts[0.02][1] < 0.1 < verdicts[1.0][1]


@pytest.mark.parametrize(("scale", "verdict"), [(0.7, "refuted"), (1.5, "supported")])
def test_normalisation_allows_higher_rates_only_where_inputs_are_large(scale, verdict):
    """Without it, the largest usable rate falls with the square of the inputs; with it, it hardly knows them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 5))
    y = x @ rng.normal(size=(5, 1)) + 0.3 * rng.normal(size=(600, 1))
    y /= y.std()
    data = ms.Dataset.from_arrays((scale * x).astype(np.float32), y.astype(np.float32), validation=0.2, seed=0)
    found = ms.claims(ms.Network(ms.Linear(16), ms.ReLU(), ms.Linear(1)), data, only=[33], seeds=5)
    assert found[33].verdict == verdict, found[33].finding


@pytest.mark.parametrize(("overhead", "verdict"), [(0.0, "refuted"), (1e-3, "supported")])
def test_larger_batches_use_a_machine_better_only_where_a_step_has_overhead(monkeypatch, overhead, verdict):
    def mean(task, calls):
        size = getattr(getattr(task.call, "__self__", None), "size", None)  # the matrix product has none
        return np.array([0.01 if size is None else overhead + 1e-6 * size])

    monkeypatch.setattr(Task, "mean", mean)
    monkeypatch.setattr(Task, "typical", lambda task, calls: np.append(mean(task, calls), 1.0))
    found = ms.claims(ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(10)), ms.datasets.digits(), only=[35])
    assert found[35].verdict == verdict, found[35].finding


def test_results_without_a_meaning_cost_one_verdict_and_not_the_run():
    """Classes that any step tells apart: some critical batch sizes have no steps to be fitted to."""
    x = 3 * np.eye(3)[np.arange(600) % 3]
    found = ms.claims(ms.Network(ms.Linear(3)), (x, np.arange(600) % 3), only=[21, 25], seeds=5, validation=0.2)
    assert found[21].verdict == "refuted" and found[25].verdict in ("not decided", "refuted", "supported", "qualified")
