"""Inside scikit-learn: pipelines, searches, frames, routing of weights, and its own scores."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms

pytestmark = pytest.mark.filterwarnings("ignore:the loss was still changing", "ignore:Stochastic Optimizer")
FAST = {"learning_rate_init": 0.03, "max_iter": 30, "random_state": 0}


def test_a_pipeline_of_frames_keeps_the_names_of_features(flowers):
    pd = pytest.importorskip("pandas")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = flowers
    frame = pd.DataFrame(x, columns=list("abcd"))
    pipeline = make_pipeline(StandardScaler(), ms.MinisgdClassifier(**FAST)).set_output(transform="pandas")
    pipeline.fit(frame, pd.Series(y))
    assert list(pipeline[-1].feature_names_in_) == list("abcd")
    assert pipeline.score(frame, y) > 0.9
    with pytest.raises(ValueError, match="feature names should match"):
        pipeline[-1].predict(frame[list("badc")])


def test_weights_of_examples_are_routed(flowers):
    import sklearn
    from sklearn.model_selection import cross_validate

    x, y = flowers
    weight = np.where(y == "setosa", 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = ms.MinisgdClassifier(**FAST).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(model, x, y, params={"sample_weight": weight}, return_estimator=True)
    for each in found["estimator"]:
        assert not (each.predict(x) == "setosa").any()  # they weighed nothing
    assert found["test_score"].mean() > 0.8


def test_scores_are_those_of_scikit_learn_on_its_example():
    """Compare Stochastic learning strategies for MLPClassifier: the strategies that learn, on digits."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    x, y = load_digits(return_X_y=True)
    strategies = [
        {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.2},
        {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False, "learning_rate_init": 0.2},
        {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True, "learning_rate_init": 0.2},
        {"solver": "adam", "learning_rate_init": 0.01},
    ]
    for strategy in strategies:
        ours, theirs = (
            kind(max_iter=15, random_state=0, **strategy).fit(x / 16, y)
            for kind in (ms.MinisgdClassifier, MLPClassifier)
        )
        assert abs(ours.score(x / 16, y) - theirs.score(x / 16, y)) < 0.015, strategy
        assert abs(ours.loss_ - theirs.loss_) < 0.02, strategy


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    import sys

    import minisgd.estimators as estimators

    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ms.MissingExtraError, match=r"minisgd\[sklearn\]"):
        estimators.MinisgdClassifier  # noqa: B018


def test_fits_repeat_to_the_bit(flowers):
    x, y = flowers
    first, second = (ms.MinisgdClassifier(**FAST).fit(x, y).predict_proba(x) for _ in range(2))
    assert_array_equal(first, second)
    state = np.random.RandomState(0)
    model = ms.MinisgdClassifier(max_iter=3, random_state=state)
    assert (model.fit(x, y).predict_proba(x) != model.fit(x, y).predict_proba(x)).any()


CHECKS_THAT_ASK_FOR_WHAT_IS_NOT_THERE = {
    "check_array_api_input",  # arrays of another library, asked for by an environment variable
    "check_classifiers_multilabel_output_format_decision_function",  # of a decision_function
}


@pytest.mark.parametrize("kind", ["MinisgdClassifier", "MinisgdRegressor"])
@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_scikit_learn_pass(kind):
    from sklearn.utils.estimator_checks import check_estimator

    results = check_estimator(getattr(ms, kind)(), on_fail=None, on_skip=None)
    failed = [f"{r['check_name']}: {r['exception']!r}" for r in results if r["status"] == "failed"]
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert not failed and len(results) > 50
    assert skipped <= CHECKS_THAT_ASK_FOR_WHAT_IS_NOT_THERE


def test_a_grid_search_in_two_processes(flowers):
    """Estimators with layers, schedules and results go there and back."""
    import pickle

    from sklearn.model_selection import GridSearchCV

    x, y = flowers
    model = ms.MinisgdClassifier(layers=[ms.Linear(8), ms.BatchNorm(), ms.ReLU()], **FAST)
    grid = {"batch_size": [16, ms.GrowBatch(8, 64, every=5)], "learning_rate_init": [0.01, ms.Cosine(0.05)]}
    search = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(x, y)
    assert search.best_score_ > 0.9
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert_array_equal(again.predict_proba(x), search.best_estimator_.predict_proba(x))


def test_a_pickled_estimator_goes_on_as_the_first_does(flowers):
    import pickle

    x, y = flowers
    model = ms.MinisgdClassifier(random_state=0).partial_fit(x, y, classes=np.unique(y))
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(model.partial_fit(x, y).predict_proba(x), again.partial_fit(x, y).predict_proba(x))


@pytest.mark.parametrize("name", ["csr_array", "csc_matrix"])
def test_sparse_features_give_the_bits_of_dense_ones(flowers, name):
    import scipy.sparse

    x, y = flowers
    sparse = getattr(scipy.sparse, name)(x)
    first, second = (ms.MinisgdClassifier(early_stopping=True, **FAST).fit(each, y) for each in (sparse, x))
    assert_array_equal(first.predict_proba(sparse), second.predict_proba(x))
