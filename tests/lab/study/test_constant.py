from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.study.constant import balanced, best_constant, reached_by_chance, usual_metric
from minisgd.lab.trial import Trial

X = np.zeros((8, 1), np.float32)


def held_out(y, **options) -> ms.Dataset:
    return ms.Dataset.from_arrays(X[: len(y)], y, validation=(X[: len(y)], y), **options)


LABELS = held_out(np.array([0, 0, 0, 0, 0, 1, 1, 2]))
VALUES = held_out(np.array([1.0, 2.0, 3.0, 6.0], np.float32))


def test_accuracy_of_the_commonest_class():
    found = best_constant(LABELS, "val_accuracy", None)
    assert_allclose([found.value, found.error], [5 / 8, math.sqrt(5 / 8 * 3 / 8 / 8)])
    assert (found.answer, found.n_validation, found.balance, found.resolution) == ("class 0", 8, (5 / 8, 1 / 8), 1 / 8)
    assert "62.5% validation accuracy" in str(found) and "17%" in str(found) and "8 validation examples" in str(found)


def test_balanced_accuracy_of_a_guess():
    found = best_constant(LABELS, "val_balanced_accuracy", None)
    assert_allclose(found.value, 1 / 3)
    assert_allclose(found.error, math.sqrt(2 / 9 * (1 / 5 + 1 / 2 + 1)) / 3)


def test_cross_entropy_of_the_frequencies():
    q = np.array([5, 2, 1]) / 8
    losses = -np.log(q)[LABELS.validation.y]
    found = best_constant(LABELS, "val_loss", None)
    assert_allclose([found.value, found.error], [losses.mean(), losses.std() / math.sqrt(8)])


@pytest.mark.parametrize(
    "loss, losses",
    [
        (None, [4.0, 1.0, 0.0, 9.0]),
        (ms.MeanSquaredError(), [4.0, 1.0, 0.0, 9.0]),
        (ms.L1(), [1.5, 0.5, 0.5, 3.5]),
        (ms.Huber(delta=1.0), [1.0, 0.125, 0.125, 3.0]),
    ],
)
def test_regression_losses_of_mean_and_median(loss, losses):
    found = best_constant(VALUES, "val_loss", loss)
    assert_allclose([found.value, found.error], [np.mean(losses), np.std(losses) / 2])


def test_r2_is_in_units_of_the_variance():
    found = best_constant(VALUES, "val_r2", None)
    assert_allclose([found.value, found.error], [0, np.std([4.0, 1.0, 0.0, 9.0]) / 2 / 3.5])


def test_a_loss_of_ones_own_is_unknown():
    class Own(ms.Loss):
        task = "regression"

    assert math.isnan(best_constant(VALUES, "val_loss", Own()).value)


def test_usual_metrics():
    assert usual_metric(LABELS, None) == "val_balanced_accuracy"
    assert usual_metric(held_out(np.array([0, 0, 1, 1])), None) == "val_accuracy"
    assert usual_metric(VALUES, None) == "val_r2"
    assert usual_metric(VALUES, ms.L1()) == "val_loss"


def test_chance_is_wider_the_more_was_tried():
    data = held_out(np.array([0, 0, 1, 1]))
    base = best_constant(data, "val_accuracy", None)
    once, often = (reached_by_chance(base, data, None, tried) for tried in (1, 10))
    assert base.value + 1.6 * base.error < once < base.value + 1.7 * base.error < often


def test_cross_entropy_is_judged_by_the_likelihood_ratio():
    data = held_out(np.array([0, 0, 1, 1]))  # whose best constant answer has the same loss on every example
    base = best_constant(data, "val_loss", None)
    assert base.error == 0 and "sampling error" not in str(base)
    assert_allclose(reached_by_chance(base, data, None, 3), math.log(2) - math.log(3 / 0.05) / 4)


def test_a_single_heavy_example_is_no_evidence():
    for y, weight in (([0, 1, 1, 1], [1, 1e-6, 1e-6, 1e-6]), ([1.0, 2.0, 4.0, 0.0], [1, 1e-6, 1e-6, 1e-6])):
        held = ms.Split(X[:4], np.array(y), np.array(weight, np.float32))
        data = replace(held_out(np.array(y)), validation=held)
        base = best_constant(data, "val_loss", None)
        assert reached_by_chance(base, data, None, 1) <= 0


def departures(rng: np.random.Generator, n: int, outputs: int) -> np.ndarray:
    """Return how far the answers of a network depart from the best constant one, little or much."""
    return rng.standard_normal((n, outputs)) * 10 ** rng.uniform(-2, 0.5)


@pytest.mark.parametrize("labels", [[0.5, 0.5], [0.2, 0.3, 0.5], [0.95, 0.05]])
def test_labels_without_a_signal_seldom_pass(labels):
    rng, n, passed = np.random.default_rng(0), 60, 0
    known = held_out(np.arange(len(labels)))
    for _ in range(1000):
        y = rng.choice(len(labels), n, p=labels)
        data = replace(known, validation=ms.Split(np.zeros((n, 1)), y))
        base = best_constant(data, "val_loss", None)
        z = np.log(labels) + departures(rng, n, len(labels))
        loss = np.log(np.exp(z).sum(axis=1)) - z[np.arange(n), y]
        passed += loss.mean() < reached_by_chance(base, data, None, 1)
    assert passed <= 50


@pytest.mark.parametrize("draw", ["standard_normal", "standard_cauchy", "integers"])
@pytest.mark.parametrize("metric, loss", [("val_r2", None), ("val_loss", ms.L1()), ("val_loss", ms.Huber())])
def test_values_without_a_signal_seldom_pass(draw, metric, loss):
    rng, n, passed = np.random.default_rng(0), 60, 0
    for _ in range(1000):
        y = 2 * rng.integers(0, 2, (n, 1)) - 1.0 if draw == "integers" else getattr(rng, draw)((n, 1))
        data = ms.Dataset.from_arrays(np.zeros((n, 1)), y, validation=(np.zeros((n, 1)), y))
        base = best_constant(data, metric, loss)
        gap = np.abs(data.validation.y - np.median(y) - np.std(y) * departures(rng, n, 1))
        value = np.where(gap < 1, gap**2 / 2, gap - 0.5).mean() if isinstance(loss, ms.Huber) else gap.mean()
        limit = reached_by_chance(base, data, loss, 1)
        passed += 1 - np.square(gap).mean() / np.var(y) > limit if metric == "val_r2" else value < limit
    assert passed <= 50


def test_accuracy_on_balanced_data_is_balanced_accuracy():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3)).astype(np.float32)
    y = (x[:, 0] > 1).astype(int)
    data = balanced(ms.Dataset.from_arrays(x, y, validation=0.3, seed=0))
    prepared = Trial(ms.Network(ms.Linear(2)), data).prepare(16, [0, 1])
    score = prepared.evaluator().score()
    network = prepared.recipe.network
    z = np.einsum(
        "ni,rio->rno", data.validation.x, network.ops.to_host(network.vector).reshape(2, -1)[:, :6].reshape(2, 3, 2)
    )
    said, held = z.argmax(axis=-1), data.validation.y
    expected = [np.mean([(row[held == c] == c).mean() for c in (0, 1)]) for row in said]
    assert_allclose(score.accuracy, expected, rtol=1e-6)
