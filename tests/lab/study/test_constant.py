from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.study.constant import balanced, best_constant, distinguishable, usual_metric
from minisgd.lab.study.result import Target
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


def test_only_more_than_chance_is_distinguishable():
    base = best_constant(held_out(np.array([0, 0, 1, 1])), "val_accuracy", None)
    goal = Target("val_accuracy", math.nan)
    assert not distinguishable(base.value + base.error, base, goal, 1)
    assert distinguishable(base.value + 1.7 * base.error, base, goal, 1)
    assert not distinguishable(base.value + 1.7 * base.error, base, goal, 10)


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
