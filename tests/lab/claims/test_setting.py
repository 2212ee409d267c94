from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs, linear_regression
from minisgd.lab.claims.experiment import Unsuitable
from minisgd.lab.claims.setting import OPTIMIZERS, Setting

DATA = gaussian_blobs(500, 4, 5, 3.0, seed=0)
NETWORK = ms.Network(ms.Linear(8, name="hidden"), ms.BatchNorm(), ms.ReLU(), ms.Linear(5, name="output"))


def kinds(network: ms.Network) -> list[str]:
    return [type(layer).__name__ for layer in network.layers]


def test_flipped_labels_are_wrong_and_as_many_as_said():
    flipped = Setting(flipped=0.25).data(DATA, 3)
    assert np.sum(flipped.train.y != DATA.train.y) == round(0.25 * len(DATA))
    assert flipped.train.y.min() >= 0 and flipped.train.y.max() < 5
    assert flipped.validation is DATA.validation and flipped.train.x is DATA.train.x
    np.testing.assert_array_equal(Setting(flipped=0.25).data(DATA, 3).train.y, flipped.train.y)
    assert (Setting(flipped=0.25).data(DATA, 4).train.y != flipped.train.y).any()


def test_a_share_keeps_classes_and_validation():
    part = Setting(share=0.5).data(DATA, 0)
    assert len(part) == len(DATA) // 2 and part.validation is DATA.validation
    assert np.ptp(np.bincount(part.train.y)) <= 2


def test_examples_come_in_the_order_of_their_labels():
    ordered = Setting(by_label=True).data(DATA, 0)
    rows = np.argsort(DATA.train.y, kind="stable")
    np.testing.assert_array_equal(ordered.train.y, np.sort(DATA.train.y))
    np.testing.assert_array_equal(ordered.train.x, DATA.train.x[rows])
    assert ordered.validation is DATA.validation
    assert np.all(np.diff(Setting(by_label=True).data(linear_regression(100), 0).train.y[:, 0]) >= 0)


def test_widths_and_norms():
    assert kinds(Setting().network(NETWORK, DATA)) == ["Linear", "BatchNorm", "ReLU", "Linear"]
    wide = Setting(width=2).network(NETWORK, DATA)
    assert (wide.layers[0].features, wide.layers[3].features) == (16, 5) and NETWORK.layers[0].features == 8
    assert kinds(Setting(norm="none").network(NETWORK, DATA)) == ["Linear", "ReLU", "Linear"]
    ghost = Setting(norm="ghost:4").network(ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(5)), DATA)
    assert kinds(ghost) == ["Linear", "BatchNorm", "ReLU", "Linear"] and ghost.layers[1].ghost == 4


@pytest.mark.parametrize(
    ("setting", "network", "data", "why"),
    [
        (Setting(width=2), ms.Network(ms.Linear(5)), DATA, "no width"),
        (Setting(norm="batch"), ms.Network(ms.Linear(5)), DATA, "nothing to normalise"),
        (Setting(width=2), ms.Network(ms.Residual(ms.Linear(4)), ms.Linear(5)), DATA, "nested"),
        (Setting(model="cnn"), NETWORK, DATA, "no images"),
        (Setting(share=0.01), NETWORK, DATA, "too few"),
        (Setting(flipped=0.1), NETWORK, linear_regression(100), "only class labels"),
    ],
)
def test_what_cannot_be_made_says_why(setting, network, data, why):
    with pytest.raises(Unsuitable, match=why):
        setting.network(network, data), setting.data(data, 0)


def test_names_tell_settings_apart():
    settings = [
        Setting(),
        Setting("adam"),
        Setting(share=0.5),
        Setting(flipped=0.5),
        Setting(norm="ghost:4"),
        Setting(by_label=True),
    ]
    assert len({setting.name for setting in settings}) == len(settings)
    assert Setting("adam", 0.1, share=0.5).problem == Setting(share=0.5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_reaches_the_optimizer(name):
    assert getattr(OPTIMIZERS[name](0.0), "weight_decay", 0.0) == 0 and OPTIMIZERS[name](0.1).weight_decay == 0.1
