"""Call by call: ``partial_fit`` and ``warm_start``."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms

pytestmark = pytest.mark.filterwarnings("ignore:the loss was still changing")


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_the_state_of_the_optimizer_goes_on(flowers, solver):
    """Without shuffling, epochs one by one are the epochs of one fit, bit for bit."""
    x, y = flowers
    options = {"solver": solver, "shuffle": False, "batch_size": 32, "random_state": 0, "max_iter": 5, "tol": 0.0}
    whole = ms.MinisgdClassifier(**options).fit(x, y)
    parts = ms.MinisgdClassifier(**options)
    for _ in range(5):
        parts.partial_fit(x, y, classes=np.unique(y))
    assert parts.loss_curve_ == whole.loss_curve_ and parts.t_ == whole.t_
    assert_array_equal(parts.predict_proba(x), whole.predict_proba(x))


def test_every_call_shuffles_anew_and_the_same_way(flowers):
    x, y = flowers

    def trained():
        model = ms.MinisgdClassifier(batch_size=16, random_state=0)
        for start in range(0, 150, 50):
            model.partial_fit(x[start : start + 50], y[start : start + 50], classes=np.unique(y))
        return model

    assert_array_equal(trained().predict_proba(x), trained().predict_proba(x))


def test_a_call_may_hold_one_class_and_one_example(flowers):
    x, y = flowers
    model = ms.MinisgdClassifier(random_state=0).partial_fit(x[:5], y[:5], classes=np.unique(y))
    model.partial_fit(x[-1:], y[-1:])
    assert model.n_iter_ == 2 and model.predict_proba(x).shape == (150, 3)


def test_classes_are_needed_first_and_kept(flowers):
    x, y = flowers
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        ms.MinisgdClassifier().partial_fit(x, y)
    model = ms.MinisgdClassifier().partial_fit(x[:100], y[:100], classes=["setosa", "versicolor"])
    with pytest.raises(ms.DataError, match="got virginica; fit again"):
        model.partial_fit(x, y)
    with pytest.raises(ms.ArgumentError, match="class_weight"):
        ms.MinisgdClassifier(class_weight="balanced").partial_fit(x, y, classes=np.unique(y))


def test_early_stopping_call_by_call_is_that_of_a_fit(flowers):
    """The same rows are held out in every call, the curve grows, and at the end the best weights are back."""
    x, y = flowers
    options = {
        "early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 4, "shuffle": False,
        "learning_rate_init": 0.03, "random_state": 0,
    }  # fmt: skip
    whole = ms.MinisgdClassifier(**options).fit(x, y)
    parts = ms.MinisgdClassifier(**options)
    for _ in range(whole.n_iter_ + 10):
        parts.partial_fit(x, y, classes=np.unique(y))
    assert parts.validation_scores_ == whole.validation_scores_
    assert_array_equal(parts.predict_proba(x), whole.predict_proba(x))


def test_several_labels_and_values_call_by_call(flowers, line):
    x, y = flowers
    labels = np.stack([y == "setosa", y != "virginica"], axis=1).astype(int)
    model = ms.MinisgdClassifier(learning_rate_init=0.03, random_state=0)
    for _ in range(60):
        model.partial_fit(x, labels)
    assert model.score(x, labels) > 0.9
    a, b = line
    regressor = ms.MinisgdRegressor(learning_rate_init=0.03, random_state=0)
    for _ in range(80):
        regressor.partial_fit(a, b)
    assert regressor.score(a, b) > 0.9


def test_an_adaptive_rate_stays_divided(flowers):
    x, y = flowers
    model = ms.MinisgdClassifier(
        solver="sgd", learning_rate="adaptive", learning_rate_init=0.1, tol=1.0, n_iter_no_change=1, random_state=0
    )
    rates = []
    for _ in range(6):
        model.partial_fit(x, y, classes=np.unique(y))
        rates.append(model._progress.rule.rate.lr)
    assert rates[0] == 0.1 and rates[-1] < 0.1 and rates == sorted(rates, reverse=True)


def test_a_warm_start_goes_on_from_the_weights(flowers):
    x, y = flowers
    model = ms.MinisgdClassifier(warm_start=True, max_iter=3, random_state=0).fit(x, y)
    before = model.loss_
    model.fit(x, y)
    assert model.n_iter_ == 6 and model.loss_curve_[3] < before
    cold = ms.MinisgdClassifier(max_iter=3, random_state=0).fit(x, y).fit(x, y)
    assert cold.n_iter_ == 3
    with pytest.raises(ValueError, match="4 features"):
        model.fit(x[:, :2], y)
