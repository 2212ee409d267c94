"""Shifts of inputs, and the share of the peak: what claims 34 and 35 measure."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.claims.experiment import Unsuitable
from minisgd.lab.claims.experiments.input_shift import FollowInputs, _change, _inputs
from minisgd.lab.claims.experiments.peak import MeasureUtilisation
from minisgd.lab.claims.setting import Setting
from minisgd.lab.trial import Trial
from minisgd.training.arithmetic import quiet_arithmetic
from tests.lab.claims.labs import small_lab


@pytest.fixture(autouse=True)
def quiet():
    """Let runs diverge in silence, as whoever conducts experiments does."""
    with quiet_arithmetic():
        yield


DATA = gaussian_blobs(400, 5, 3, 3.0, seed=0)
NETWORK = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(3))


def test_inputs_are_those_of_the_network():
    network = ms.Network(ms.Linear(8), ms.BatchNorm(), ms.ReLU(), ms.Linear(3))
    session = Trial(network, DATA).with_lr(0.1).prepare(16, [0, 1]).session(last_batch="drop")
    for _ in range(5):
        session.step()
    x = DATA.train.x[:64]
    stacked = [h for h in _inputs(session.network, x)][1]
    first, norm = session.network.layers[:2]
    for k in range(2):
        before = (x @ first.W[k] + first.b[k].ravel()).astype(float)
        hidden = (before - before.mean(0)) / np.sqrt(before.var(0) + 1e-5)
        assert_allclose(stacked[k], np.maximum(hidden * norm.gamma[k] + norm.beta[k], 0), rtol=1e-3, atol=1e-3)


def test_a_change_is_in_units_of_the_spread():
    still, ones = np.zeros((2, 4)), np.ones((2, 4))
    assert_allclose(_change([(still, ones)], [(still + 0.3, ones + 0.4)]), 0.5)
    with pytest.raises(Unsuitable, match="no layer whose inputs"):
        _change([], [])


def test_without_steps_nothing_shifts_and_faster_training_shifts_more():
    lab = small_lab(NETWORK, DATA, seeds=2)
    found = FollowInputs(Setting(), Setting()).run(lab)
    assert found.change.shape == (100, 2) and (found.change > 0).all() and found.first(1).seeds == 1
    assert np.median(found.change[:10]) > np.median(found.change[-10:])


def test_a_step_achieves_a_share_of_the_peak():
    lab = small_lab(NETWORK, DATA)
    lab.hurry()
    found = MeasureUtilisation().run(lab).by_clock
    assert found.share.shape == (7, 4) and (found.share > 0).all() and (found.peak > 0).all()
