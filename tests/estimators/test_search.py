"""The study as a search object."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms

pytestmark = pytest.mark.filterwarnings("ignore:the loss was still changing")
QUICK = {"batch_sizes": [16, 64], "learning_rates": [0.03, 0.3], "seeds": 2, "budget": None, "random_state": 0}


def test_the_best_batch_size_is_what_the_study_recommends(flowers):
    from sklearn.base import clone, is_classifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = flowers
    inner = ms.MinisgdClassifier((16,), solver="sgd", max_iter=30, random_state=0)
    search = ms.BatchSizeSearch(inner, target_accuracy=0.8, **QUICK)
    assert is_classifier(search)
    pipeline = make_pipeline(StandardScaler(), clone(search)).fit(x, y)
    found = pipeline[-1]
    recommended = found.study_.recommendation
    assert found.best_params_ == {"batch_size": recommended.batch_size, "learning_rate_init": recommended.lr}
    assert found.best_estimator_.batch_size == recommended.batch_size
    assert list(found.cv_results_["param_batch_size"]) == [16, 64]
    assert pipeline.score(x, y) > 0.8 and found.predict_proba(x).shape == (150, 3)
    assert list(found.classes_) == sorted(set(y)) and found.n_features_in_ == 4


def test_values_and_a_solver_of_ones_own(line):
    x, y = line
    inner = ms.MinisgdRegressor((16,), solver=ms.SGD(lr=0.1, momentum=0.5), max_iter=30, random_state=0)
    search = ms.BatchSizeSearch(inner, **QUICK)
    with pytest.warns(UserWarning, match="own batch size is kept. The problem is too easy"):
        search.fit(x, y[:, 0])
    assert search.best_params_ == {"batch_size": "auto", "solver": inner.solver}
    assert search.score(x, y[:, 0]) > 0.8
    assert not hasattr(search, "predict_proba")


def test_without_a_refit_nothing_is_predicted(flowers):
    from sklearn.exceptions import NotFittedError

    x, y = flowers
    inner = ms.MinisgdClassifier((16,), solver="sgd", max_iter=5)
    search = ms.BatchSizeSearch(inner, refit=False, target_accuracy=0.8, **QUICK).fit(x, y)
    with pytest.raises(NotFittedError):
        search.predict(x)
    assert np.isfinite(search.cv_results_["seconds_to_target"]).any()


def test_what_is_searched_is_ours(flowers):
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(ms.DtypeError, match="last place"):
        ms.BatchSizeSearch(LogisticRegression()).fit(*flowers)
