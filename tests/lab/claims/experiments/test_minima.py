"""Where training runs come to rest: the experiments behind the claims about minima, on small data."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.claims.experiments.curvature import MEASURES, sharpness_of, top_eigenvalue
from minisgd.lab.claims.experiments.escape import Excursion, SwitchToSmall
from minisgd.lab.claims.experiments.sharpness_at_target import GROWTH, SharpnessAtTarget
from minisgd.lab.claims.setting import Setting
from minisgd.optim import Progress
from minisgd.training.arithmetic import quiet_arithmetic
from tests.lab.claims.labs import small_lab

DATA = gaussian_blobs(400, 5, 3, 3.0, seed=0)


def laboratory(folder=None):
    network = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(3))
    return small_lab(network, DATA, folder=folder)


@pytest.fixture(autouse=True)
def quiet():
    with quiet_arithmetic():
        yield


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return laboratory(tmp_path_factory.mktemp("minima"))


@pytest.mark.parametrize("rule", ["fixed lr", "fixed lr/B", "tuned lr"])
def test_sharpness_is_measured_at_one_loss(lab, rule):
    runs = SharpnessAtTarget(rule).run(lab)
    target = lab.pilot(Setting()).target.value
    loss = runs.at("train_loss", 0)
    assert runs.batch_sizes == (4, 16, 64, 256) and loss.shape == (4, 5)
    assert (loss <= target).all() and (np.median(loss, axis=1) > 0.7 * target).all()
    for name in MEASURES:
        assert (runs.at(name, 0) > 0).all()
    scaled = runs.learning_rates[:, 0]
    if rule == "fixed lr":
        assert len(set(scaled)) == 1
    if rule == "fixed lr/B":
        np.testing.assert_allclose(np.diff(np.log(scaled)), np.log(4), rtol=1e-2)
        steps = np.median(runs.at("steps", 0), axis=1)  # at the same lr/B the same examples go as far
        np.testing.assert_allclose(np.log(steps[:2] * (4, 16) / (steps[2] * 64)), 0, atol=2 * np.log(GROWTH))


def test_finished_batch_sizes_are_read_back(lab, monkeypatch):
    experiment = SharpnessAtTarget("fixed lr")
    before = experiment.run(lab)
    monkeypatch.setattr(SharpnessAtTarget, "_train", lambda *a: pytest.fail("trained again"))
    again = experiment.run(laboratory(lab.folder))
    np.testing.assert_array_equal(again.table("lambda_max"), before.table("lambda_max"))


def test_both_branches_start_from_the_same_weights(lab):
    found = SwitchToSmall().run(lab)
    common = [k for k, step in enumerate(found.steps) if step <= found.there]
    for name in ("train_loss", "val_loss", "lambda_max"):
        np.testing.assert_array_equal(found.with_[name][common], found.without[name][common])
        assert (found.with_[name][-1] != found.without[name][-1]).all()
    assert found.steps[-1] == round(3 * (found.back - found.there)) and (found.small, found.large) == (4, 256)


def test_an_excursion_goes_there_and_back():
    batch = Excursion(64, 4, 10, 20)
    assert [batch(Progress(step, 0.0, 0.0, 64)) for step in (0, 9, 10, 19, 20, 99)] == [64, 64, 4, 4, 64, 64]


def test_diverged_networks_have_no_curvature(lab):
    trial = lab.trial(Setting())
    network = trial.prepare(4, 0).recipe.network
    assert np.isfinite(top_eigenvalue(network, trial))
    assert sharpness_of(network, trial)["lambda_max"] == top_eigenvalue(network, trial)
    network.vector[...] = np.inf
    assert np.isnan(top_eigenvalue(network, trial)) and np.isnan(list(sharpness_of(network, trial).values())).all()
