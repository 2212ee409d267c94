from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.lab.claims.experiments.gradient_error import MeasureGradientError
from minisgd.lab.claims.experiments.to_target import RunToTarget
from minisgd.lab.claims.lab import FULL, Lab
from minisgd.lab.claims.setting import Setting
from minisgd.lab.trial import Trial


@pytest.fixture
def lab():
    """A line through the origin: at weight w the gradient of example i is (w·x_i − y_i)·x_i."""
    rng = np.random.default_rng(0)
    data = ms.Dataset.from_arrays(rng.normal(size=(100, 1)), rng.normal(size=(100, 1)), seed=0)
    network = ms.Network(ms.Linear(1, bias=False))
    trial = Trial(network, data, loss=ms.MeanSquaredError(), dtype="float64")
    return Lab(trial, tuple(range(400)), (4, 20), 1, None, {})


def test_the_error_is_that_of_a_mean_drawn_without_replacement(lab):
    found = MeasureGradientError().run(lab)
    assert found.batch_sizes == (4, 20, 80) and found.error.shape == (3, 400)
    x, y = lab.data.train.x.ravel(), lab.data.train.y.ravel()
    weights = [lab.trial(Setting()).prepare(4, s).recipe.network.vector.item() for s in (0, 1)]
    for s, w in enumerate(weights):
        g = (w * x - y) * x
        exact = np.sqrt(g.var(ddof=1) * (1 / 4 - 1 / 80)) / abs(g.mean())
        assert 0.4 * exact < found.error[0, s] < 2 * exact  # sixteen draws
    np.testing.assert_allclose(found.error[2], 0, atol=1e-12)
    ratio = np.sqrt(np.mean(found.error[0] ** 2 / found.error[1] ** 2))
    np.testing.assert_allclose(ratio, np.sqrt((1 / 4 - 1 / 80) / (1 / 20 - 1 / 80)), rtol=0.1)


def test_all_examples_are_a_batch_size(lab):
    trial = lab.trial(Setting())
    assert lab.within(trial, (FULL,)) == (80,)
    assert lab.within(trial, (4, 20, FULL)) == (4, 20, 80)
    assert RunToTarget(batch_sizes=(FULL,)).name.endswith("-full")
