from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.errors import ArgumentError
from minisgd.training.metrics import METRICS, Metric, as_metrics, confusion_matrix

RNG = np.random.default_rng(0)
WEIGHTS = [None, RNG.uniform(0.1, 3, 200), np.r_[np.zeros(100), np.ones(100)]]


def scores(n: int, classes: int) -> np.ndarray:
    z = np.exp(RNG.normal(size=(n, classes)).round(1))  # rounded, so that scores tie
    return z / z.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("weight", WEIGHTS, ids=["plain", "weighted", "half absent"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_regression_agrees_with_scikit_learn(weight, outputs):
    sk = pytest.importorskip("sklearn.metrics")
    y = RNG.normal(3, 20, (200, outputs)).squeeze()
    p = y + RNG.normal(size=y.shape)
    known = {"r2": sk.r2_score, "mae": sk.mean_absolute_error, "rmse": sk.root_mean_squared_error}
    for name, oracle in known.items():
        assert METRICS[name](y, p, weight) == pytest.approx(oracle(y, p, sample_weight=weight)), name


@pytest.mark.parametrize("weight", WEIGHTS, ids=["plain", "weighted", "half absent"])
@pytest.mark.parametrize("classes", [2, 4])
def test_classification_agrees_with_scikit_learn(weight, classes):
    sk = pytest.importorskip("sklearn.metrics")
    y, score = RNG.integers(classes, size=200), scores(200, classes)
    p = score.argmax(axis=1)
    average = "binary" if classes == 2 else "macro"
    assert METRICS["accuracy"](y, p, weight) == pytest.approx(sk.accuracy_score(y, p, sample_weight=weight))
    balanced = sk.balanced_accuracy_score(y, p, sample_weight=weight)
    assert METRICS["balanced_accuracy"](y, p, weight) == pytest.approx(balanced)
    assert METRICS["f1"](y, p, weight) == pytest.approx(sk.f1_score(y, p, average=average, sample_weight=weight))
    given = score[:, 1] if classes == 2 else score
    many = {} if classes == 2 else {"multi_class": "ovr"}
    oracle = sk.roc_auc_score(y, given, sample_weight=weight, **many)
    assert METRICS["auc"](y, score, weight) == pytest.approx(oracle)
    np.testing.assert_array_equal(confusion_matrix(y, p, classes), sk.confusion_matrix(y, p))


def test_several_labels_agree_with_scikit_learn():
    sk = pytest.importorskip("sklearn.metrics")
    y, score = RNG.integers(2, size=(200, 3)).astype(float), RNG.uniform(size=(200, 3))
    p = (score > 0.5).astype(float)
    assert METRICS["f1"](y, p) == pytest.approx(sk.f1_score(y, p, average="macro"))
    assert METRICS["auc"](y, score) == pytest.approx(sk.roc_auc_score(y, score))
    assert METRICS["accuracy"](y, p) == pytest.approx((y == p).mean())


def test_degenerate_cases_are_answered():
    assert METRICS["r2"](np.ones(3), np.ones(3)) == 1.0
    assert METRICS["r2"](np.ones(3), np.zeros(3)) == 0.0
    assert METRICS["f1"](np.zeros(3, int), np.zeros(3, int)) == 0.0
    assert np.isnan(METRICS["auc"](np.zeros(3, int), np.full((3, 2), 0.5)))


@pytest.mark.parametrize(("name", "mode"), [("r2", "max"), ("mae", "min"), ("rmse", "min"), ("f1", "max")])
def test_directions(name, mode):
    assert METRICS[name].mode == mode


@pytest.mark.parametrize(
    ("metrics", "task", "message"),
    [
        (["mea"], "regression", "metrics must be names among .*got 'mea'; did you mean 'mae'"),
        ({"loss": len}, "regression", "metrics must be names that the records do not use already, got 'loss'"),
        ({"epoch": len}, "regression", "call it 'my_epoch'"),
        ({"a": 3}, "regression", "metric must be a function, got 3"),
        (["r2"], "classification", "metrics of classification, got 'r2', which is one of regression; use accuracy"),
        (["auc"], "regression", "got 'auc', which is one of classification; use r2, mae, rmse"),
    ],
)
def test_metrics_that_are_refused(metrics, task, message):
    with pytest.raises(ArgumentError, match=message):
        as_metrics(metrics, task)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mode": "up"}, "mode must be 'min', 'max'"), ({"needs": "logits"}, "needs must be 'values'")],
)
def test_a_metric_says_what_it_needs(options, message):
    with pytest.raises(ArgumentError, match=message):
        Metric(len, **options)


def test_names_and_functions():
    own = Metric(lambda y, p: 1.0, "min")
    assert as_metrics(None, "regression") == {}
    assert as_metrics("r2", "regression") == {"r2": METRICS["r2"]}
    assert as_metrics({"mine": own, "area": "auc"}, "multilabel") == {"mine": own, "area": METRICS["auc"]}
    weighted = Metric(lambda y, p, weight: weight.sum())
    assert weighted(np.ones(2), np.ones(2), np.array([1.0, 2.0])) == 3.0
    assert Metric(max)(1.0, 2.0) == 2.0  # a function without a signature


def test_functions_of_one_s_own_write_to_nothing():
    x = np.random.default_rng(0).normal(size=(60, 2))
    y = (x[:, 0] > 0).astype(int)

    def spoils(target, prediction):
        target[:] = 0
        return 0.0

    with pytest.raises(ms.ArgumentError, match="metrics: 'spoils' must be .* read-only"):
        ms.train(ms.Network(ms.Linear(2)), (x, y), validation=0.2, metrics=[spoils], epochs=1)

    def shifts(z, target):
        target -= 1
        return ((z - target) ** 2).mean(axis=-1)

    with pytest.raises(ValueError, match="read-only"):
        ms.train(ms.Network(ms.Linear(1)), (x, x[:, 0]), loss=shifts, epochs=1)


def test_two_functions_of_one_name_are_refused():
    x = np.random.default_rng(0).normal(size=(60, 2))
    metrics = [lambda y, p: 0.0, lambda y, p: 1.0]
    with pytest.raises(ms.ArgumentError, match="metrics must be functions of different names, got two called <lambda>"):
        ms.train(ms.Network(ms.Linear(1)), (x, x[:, 0]), validation=0.2, metrics=metrics, epochs=1)
    run = ms.train(ms.Network(ms.Linear(1)), (x, x[:, 0]), validation=0.2, metrics=["mae", "mae"], epochs=1)
    assert "val_mae" in run.history.columns
