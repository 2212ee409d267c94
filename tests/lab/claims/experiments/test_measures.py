"""The loss in training mode against a computation by hand; the noise scale against the instrument."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.data.sampling import Shuffled
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.claims.experiments.measures import NoiseScale, TrainingModeLoss
from minisgd.lab.claims.setting import Setting
from minisgd.lab.trial import Trial
from tests.lab.claims.labs import small_lab

DATA = gaussian_blobs(256, 5, 3, 3.0, seed=0)


def trial_of(*layers: ms.Layer):
    lab = small_lab(ms.Network(*layers), DATA, seeds=1, dtype="float64")
    return lab.trial(Setting())


def test_without_coupling_both_modes_agree():
    trial = trial_of(ms.Linear(4), ms.ReLU(), ms.Linear(3))
    run = ms.train(trial.network, trial.data, epochs=1, seed=0, dtype="float64")
    found = TrainingModeLoss(len(trial.data))(run.network, trial)
    np.testing.assert_allclose(found["training_mode_loss"], run.evaluate("train")["loss"], rtol=1e-12)


@pytest.mark.parametrize("b", [4, 32])
def test_batches_are_normalised_by_themselves(b):
    trial = trial_of(ms.BatchNorm(), ms.Linear(3))
    network = ms.Network(ms.BatchNorm(), ms.Linear(3)).build((5,), seeds=0, dtype="float64")
    before = network.vector.copy(), network.statistics.copy()
    found = TrainingModeLoss(b)(network, trial)["training_mode_loss"]
    parameters = network.parameters()
    W, bias = (next(a for name, a in parameters.items() if name.endswith(end)) for end in ("W", "b"))
    order = Shuffled(len(trial.data), [0], last="drop")
    losses = []
    for _ in range(len(trial.data) // b):
        rows = order.next(b)[0]
        x, y = trial.data.train.x[rows].astype(float), trial.data.train.y[rows]
        z = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) @ W + bias
        losses.append(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(b), y]))
    np.testing.assert_allclose(found, np.mean(losses), rtol=1e-9)
    for now, then in zip((network.vector, network.statistics), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_noise_scale_is_that_of_the_instrument():
    data = gaussian_blobs(60, 4, 3, 3.0, seed=0)
    network = ms.train(ms.Network(ms.Linear(6), ms.ReLU(), ms.Linear(3)), data, epochs=1, batch_size=8).network
    expected = ms.gradient_noise(network, data).b_simple
    np.testing.assert_allclose(NoiseScale()(network, Trial(network, data))["noise_scale"], expected, rtol=1e-12)
