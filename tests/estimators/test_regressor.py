"""The regressor, and the loss of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms

pytestmark = pytest.mark.filterwarnings("ignore:the loss was still changing", "ignore:Stochastic Optimizer")
FAST = {"learning_rate_init": 0.02, "max_iter": 200, "random_state": 0}


def test_one_value_and_several(line):
    x, y = line
    several = ms.MinisgdRegressor(**FAST).fit(x, y)
    assert several.score(x, y) > 0.95 and several.predict(x).shape == y.shape
    one = ms.MinisgdRegressor(**FAST).fit(x, y[:, 0])
    assert one.score(x, y[:, 0]) > 0.95 and one.predict(x).shape == (200,)
    assert one.out_activation_ == "identity" and one.n_outputs_ == 1


def test_early_stopping_follows_r2(line):
    x, y = line
    model = ms.MinisgdRegressor(early_stopping=True, n_iter_no_change=3, **FAST).fit(x, y)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_) <= 1


def test_the_loss_is_half_the_squared_error(line):
    x, y = line
    model = ms.MinisgdRegressor(solver="sgd", learning_rate_init=1e-12, alpha=0, batch_size="full", max_iter=1)
    model.fit(x, y[:, 0])
    assert np.isclose(model.loss_, np.mean((model.predict(x) - y[:, 0]) ** 2) / 2)


def test_another_loss(line):
    x, y = line
    assert ms.MinisgdRegressor(loss=ms.Huber(), **FAST).fit(x, y).score(x, y) > 0.9


def test_steps_are_those_of_scikit_learn(line):
    """From the same weights, full-batch descent takes the same path."""
    from sklearn.neural_network import MLPRegressor

    x, y = line
    y = y[:, 0]
    options = {"hidden_layer_sizes": (5,), "solver": "sgd", "learning_rate_init": 0.05, "alpha": 0.0, "batch_size": 200}
    ours = ms.MinisgdRegressor(warm_start=True, max_iter=1, **options).fit(x, y)
    theirs = MLPRegressor(warm_start=True, max_iter=1, **options).fit(x, y)
    W1, b1, W2, b2 = ours.network_.to_numpy().values()
    theirs.coefs_, theirs.intercepts_ = [W1.copy(), W2.copy()], [b1.ravel().copy(), b2.ravel().copy()]
    for _ in range(5):
        ours.fit(x, y)
        theirs.fit(x, y)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-9)
