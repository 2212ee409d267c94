"""The classifier, as a user of scikit-learn would use it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.optim import Progress

FAST = {"learning_rate_init": 0.03, "max_iter": 40, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore:the loss was still changing")


@pytest.mark.parametrize("kind", [str, object, int, bool])
def test_classes_come_back_as_they_were(flowers, kind):
    x, names = flowers
    y = names.astype(object) if kind is object else names
    if kind in (int, bool):
        y = np.where(names == "setosa", 7, 3) if kind is int else names == "setosa"
    model = ms.MinisgdClassifier(**FAST).fit(x, y)
    assert model.score(x, y) > 0.9
    assert_array_equal(model.classes_, np.unique(y))
    assert model.predict(x).dtype == np.asarray(y).dtype
    proba = model.predict_proba(x)
    assert_allclose(proba.sum(axis=1), 1)
    assert_array_equal(model.classes_[proba.argmax(axis=1)], model.predict(x))
    assert_allclose(model.predict_log_proba(x), np.log(proba))


def test_several_labels(flowers):
    x, names = flowers
    y = np.stack([names == "setosa", names != "virginica"], axis=1).astype(int)
    model = ms.MinisgdClassifier(**FAST).fit(x, y)
    assert model.score(x, y) > 0.9 and model.out_activation_ == "logistic"
    assert model.predict_proba(x).shape == y.shape
    assert set(np.unique(model.predict(x))) == {0, 1}


def test_what_a_fit_leaves(flowers):
    x, y = flowers
    model = ms.MinisgdClassifier(tol=1e-2, learning_rate_init=0.03, random_state=0).fit(x, y)
    assert model.n_iter_ == len(model.loss_curve_) < 200
    assert model.t_ == model.n_iter_ * len(x)
    assert model.loss_ == model.loss_curve_[-1] and model.best_loss_ == min(model.loss_curve_)
    assert model.validation_scores_ is None and model.n_outputs_ == 3 and model.n_features_in_ == 4
    assert isinstance(model.network_, ms.Network)


def test_early_stopping_keeps_the_best_weights(flowers):
    x, y = flowers
    stopping = {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 5}
    model = ms.MinisgdClassifier(**FAST | stopping | {"max_iter": 500}).fit(x, y)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 500
    assert model.best_validation_score_ == max(scores)
    first = scores.index(max(scores)) + 1
    same = ms.MinisgdClassifier(**FAST | stopping | {"max_iter": first}).fit(x, y)
    assert_array_equal(model.predict_proba(x), same.predict_proba(x))


def test_the_end_follows_the_rule_of_scikit_learn(flowers):
    """More than n_iter_no_change epochs in a row that gain less than tol."""
    x, y = flowers
    model = ms.MinisgdClassifier(tol=5e-3, n_iter_no_change=3, random_state=0).fit(x, y)
    losses = np.array([np.inf, *model.loss_curve_])
    best = np.minimum.accumulate(losses)
    idle = losses[1:] > best[:-1] - 5e-3
    assert idle[-4:].all()
    assert not any(idle[k : k + 4].all() for k in range(len(idle) - 4))


@pytest.mark.parametrize(
    "options",
    [
        {"layers": [ms.Linear(8), ms.BatchNorm(), ms.Tanh(), ms.Dropout(0.1)]},
        {"layers": ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(3))},
        {"batch_size": ms.GrowBatch(8, 64, every=5)},
        {"batch_size": "full"},
        {"solver": ms.SGD(ms.Cosine(0.5), momentum=0.9)},
        {"learning_rate_init": ms.Warmup(0.03, epochs=5)},
        {"loss": ms.SoftmaxCrossEntropy(label_smoothing=0.1)},
        {"activation": "logistic", "hidden_layer_sizes": 20, "learning_rate_init": 0.1},
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2, "max_iter": 80},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 1.0, "power_t": 0.1},
        {"shuffle": False, "device": "cpu", "threads": 1, "callbacks": [ms.EarlyStopping(30, metric="train_loss")]},
    ],
    ids=lambda options: ",".join(options),
)
def test_what_ms_train_takes_is_taken(flowers, options):
    from sklearn.base import clone

    x, y = flowers
    model = clone(ms.MinisgdClassifier(**FAST | options)).fit(x, y)
    assert model.score(x, y) > 0.8


def test_inverse_scaling_counts_examples_as_scikit_learn_does():
    from minisgd.estimators.solver import build_optimizer

    model = ms.MinisgdClassifier(solver="sgd", learning_rate="invscaling", learning_rate_init=0.2)
    rate = build_optimizer(model, 100, 20, 0.0).schedule
    assert [rate(Progress(0, epoch, 0.0, 20)) for epoch in (0, 0.9)] == [0.2, 0.2]
    assert rate(Progress(0, 2.5, 0.0, 20)) == 0.2 / 201**0.5
    assert build_optimizer(model, 100, 20, 2.0).schedule(Progress(0, 0.5, 0.0, 20)) == 0.2 / 201**0.5


def test_an_adaptive_rate_falls_and_ends_the_fit(flowers):
    x, y = flowers
    model = ms.MinisgdClassifier(
        solver="sgd", learning_rate="adaptive", learning_rate_init=0.2, n_iter_no_change=2, tol=0.1, random_state=0
    ).fit(x, y)
    assert model._progress.rule.rate.lr < 1e-6 and model._progress.converged


def test_float32_stays_float32(flowers):
    x, y = flowers
    model = ms.MinisgdClassifier(**FAST).fit(x.astype(np.float32), y)
    assert model.network_.dtype == "float32" and model.score(x, y) > 0.9
    assert ms.MinisgdClassifier(**FAST).fit(x, y).network_.dtype == "float64"


def test_class_weights_are_weights_of_examples(flowers):
    x, y = flowers
    y = np.where(y == "setosa", "a", "b")
    by_class = ms.MinisgdClassifier(class_weight={"a": 3, "b": 1}, **FAST).fit(x, y)
    by_row = ms.MinisgdClassifier(**FAST).fit(x, y, sample_weight=np.where(y == "a", 3, 1))
    assert_array_equal(by_class.predict_proba(x), by_row.predict_proba(x))
    both = ms.MinisgdClassifier(class_weight="balanced", **FAST).fit(x, y, sample_weight=np.ones(len(y)))
    assert both.score(x, y) > 0.9


def test_verbose_prints_a_line_an_epoch(flowers, capsys):
    ms.MinisgdClassifier(max_iter=2, verbose=True, early_stopping=True).fit(*flowers)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("epoch 1: loss ") and "validation score" in second


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"solver": "lbfgs"}, "solver"),
        ({"activation": "softplus"}, "activation"),
        ({"learning_rate": "falling", "solver": "sgd"}, "learning_rate"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes"),
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1}, "tol"),
        ({"alpha": -1}, "alpha"),
        ({"early_stopping": True, "validation_fraction": 1.5}, "validation"),
        ({"early_stopping": True, "validation_fraction": 0}, "validation_fraction"),
        ({"early_stopping": True, "validation_fraction": "much"}, "validation_fraction"),
        ({"learning_rate_init": -1}, "learning_rate_init"),
        ({"beta_1": 1}, "beta_1"),
        ({"beta_2": "x"}, "beta_2"),
        ({"epsilon": 0}, "epsilon"),
        ({"momentum": "x", "solver": "sgd"}, "momentum"),
        ({"power_t": "x", "solver": "sgd", "learning_rate": "invscaling"}, "power_t"),
        ({"layers": 3}, "layers"),
        ({"layers": ms.Linear(3)}, "layers"),
        ({"callbacks": None}, "callbacks"),
    ],
)
def test_arguments_out_of_range_are_named(flowers, options, named):
    with pytest.raises(ms.ArgumentError, match=f"^{named}"):
        ms.MinisgdClassifier(**options).fit(*flowers)


def test_a_batch_larger_than_the_data_is_held_to_it(flowers):
    with pytest.warns(UserWarning, match="batch_size=500 is held to 1 … 150"):
        ms.MinisgdClassifier(batch_size=500, max_iter=2).fit(*flowers)


def test_batch_norm_is_spared_a_single_example_left_over(flowers):
    x, y = flowers
    model = ms.MinisgdClassifier(layers=[ms.Linear(8), ms.BatchNorm(), ms.ReLU()], batch_size=16, **FAST)
    assert model.fit(x[:145], y[:145]).score(x, y) > 0.9


def test_the_end_of_max_iter_is_said(flowers):
    from sklearn.exceptions import ConvergenceWarning

    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        ms.MinisgdClassifier(max_iter=2).fit(*flowers)
