"""Which way a metric is better: EarlyStopping and BestWeights know it, are told, or refuse."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)).astype(np.float32)
VALUES, LABELS = X[:, 0] * 40 + 7, (X[:, 0] > 0).astype(int)
OWN = {"mine": lambda y, p: float(np.mean(y == p))}


def train(y, callback, **options):
    return ms.train(ms.Network(ms.Linear(1 if y is VALUES else 2)), (X, y), validation=0.2, epochs=6,
                    callbacks=[callback], **options)  # fmt: skip


@pytest.mark.parametrize(
    ("y", "metric", "metrics", "best"),
    [
        (VALUES, "val_loss", [], min),
        (VALUES, "val_r2", ["r2"], max),
        (VALUES, "val_mae", ["mae"], min),
        (VALUES, "train_loss", [], min),
        (LABELS, "val_accuracy", [], max),
        (LABELS, "val_f1", ["f1"], max),
        (LABELS, "val_mine", {"mine": ms.Metric(OWN["mine"], mode="max")}, max),
    ],
)
def test_the_best_weights_are_the_best(y, metric, metrics, best):
    saved = ms.BestWeights(metric=metric)
    run = train(y, saved, metrics=metrics)
    if metric != "train_loss":
        assert run.evaluate()[metric.removeprefix("val_")] == pytest.approx(best(run.history[metric]), rel=1e-5)


@pytest.mark.parametrize("kind", [ms.BestWeights, ms.EarlyStopping])
@pytest.mark.parametrize(
    ("options", "metrics", "message"),
    [
        ({"metric": "val_mine"}, OWN, "mode must be given for 'val_mine', whose direction is not known"),
        ({"metric": "val_f1"}, [], "metric must be one that the training run records, got 'val_f1'; choose among"),
        ({"metric": "val_f1", "mode": "min"}, ["f1"], "mode must be 'max' for 'val_f1', got 'min'"),
    ],
)
def test_what_is_refused_before_the_first_step(kind, options, metrics, message):
    with pytest.raises(ms.ArgumentError, match=message):
        train(LABELS, kind(**options), metrics=metrics)


@pytest.mark.parametrize("kind", [ms.BestWeights, ms.EarlyStopping])
def test_modes(kind):
    with pytest.raises(ms.ArgumentError, match="mode must be 'min', 'max' or None, got 'up'"):
        kind(mode="up")
    train(LABELS, kind(metric="val_mine", mode="max"), metrics=OWN)


def test_without_validation_the_fix_says_so():
    with pytest.raises(ms.ArgumentError, match="hold out a validation split"):
        ms.train(ms.Network(ms.Linear(2)), (X, LABELS), callbacks=[ms.BestWeights()])
    with pytest.raises(ms.ArgumentError, match="metrics must be left out without a validation split"):
        ms.train(ms.Network(ms.Linear(2)), (X, LABELS), metrics=["f1"])


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda y: 0.0, "metrics: 'own' must be a function"),
        (lambda y, p: p.argmax(axis=1), r"needs='scores'\) gets probabilities"),
        (lambda y, p: "good", "metrics: 'own' must be a function"),
        (lambda y, p: np.ones(3), "metrics: 'own' must be a function"),
    ],
)
def test_metrics_are_tried_before_the_first_step(metric, message):
    with pytest.raises(ms.ArgumentError, match=message):
        ms.train(ms.Network(ms.Linear(2)), (X, LABELS), validation=0.2, metrics={"own": metric}, steps=10**9)


def test_weighted_metrics_stand_beside_weighted_losses():
    weight = np.where(np.arange(200) < 100, 1.0, 3.0)
    held = (X[:50], LABELS[:50], weight[75:125])
    data = ms.Dataset.from_arrays(X, LABELS, weight=weight, validation=held)
    run = ms.train(ms.Network(ms.Linear(2)), data, epochs=1, metrics=["accuracy"])
    right = run.predict_labels(X[:50]) == LABELS[:50]
    expected = np.average(right, weights=held[2])
    result = run.evaluate()
    assert result["accuracy"] == pytest.approx(expected) and run.history[-1]["val_accuracy"] == pytest.approx(expected)
    few = ms.Split(X[:50], LABELS[:50], (np.arange(50) < 20) * 1.0)
    assert run.confusion_matrix(few).sum() == 20  # rows of weight 0 are not there
    assert run.evaluate(few) == pytest.approx(run.evaluate(ms.Split(X[:20], LABELS[:20])))
    repeated = np.repeat(np.arange(50), held[2].astype(int))
    alike = run.evaluate(ms.Split(X[repeated], LABELS[repeated]))["loss"]
    assert result["loss"] == pytest.approx(alike, rel=1e-6) == pytest.approx(run.history[-1]["val_loss"], rel=1e-6)
