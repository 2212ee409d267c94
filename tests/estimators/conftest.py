"""Estimators are tested where scikit-learn is installed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")


@pytest.fixture(scope="session")
def flowers():
    """Return four features of 150 flowers, from 0 to 1, and their species as text."""
    from sklearn.datasets import load_iris
    from sklearn.preprocessing import MinMaxScaler

    iris = load_iris()
    return MinMaxScaler().fit_transform(iris.data), iris.target_names[iris.target]


@pytest.fixture(scope="session")
def line():
    """Return features and two values that follow from them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    return x, np.stack([x @ [1.0, -2.0, 0.5], x[:, 0] ** 2], axis=1)
