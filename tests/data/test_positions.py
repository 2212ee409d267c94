"""Labels at every position, and targets with more axes than one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms

X = np.random.default_rng(0).normal(size=(40, 6, 3))
Y = np.where(np.arange(6) == 3, -1, X.sum(-1) > 0).astype(np.int32)


def test_labels_of_positions_are_codes_where_classes_are_named() -> None:
    data = ms.Dataset.from_arrays(X, Y, classes=("below", "above"), validation=0.25)
    assert data.task == "classification" and data.n_outputs == 2
    assert data.train.y.shape == (30, 6) and data.train.y.dtype == np.int64 and data.train.y.min() == -1


def test_a_label_beyond_the_classes_is_refused() -> None:
    with pytest.raises(ms.DataError, match="codes up to 0"):
        ms.Dataset.from_arrays(X, Y, classes=("only",))


def test_a_network_learns_them() -> None:
    data = ms.Dataset.from_arrays(X, Y, classes=("below", "above"))
    net = ms.Network(ms.Linear(8), ms.RMSNorm(), ms.SiLU(), ms.Linear(2))
    run = ms.train(net, data, loss=ms.TokenCrossEntropy(), optimizer=ms.Adam(lr=0.05), batch_size=7, epochs=60)
    right = run.network.predict(data.validation.x).argmax(-1) == data.validation.y
    counts = data.validation.y >= 0
    assert run.evaluate()["accuracy"] == pytest.approx(right[counts].mean()) and right[counts].mean() > 0.9
    with pytest.raises(ms.ShapeError, match="ms.TokenCrossEntropy"):
        ms.train(net, data)
    with pytest.raises(ms.ShapeError, match="the shape of the labels"):
        ms.train(ms.Network(ms.Flatten(), ms.Linear(2)), data, loss=ms.TokenCrossEntropy())


def test_images_may_be_targets() -> None:
    images = np.random.default_rng(0).uniform(size=(20, 4, 4, 1))
    data = ms.Dataset.from_arrays(images, images, standardize_target=True)
    assert_array_equal(data.train.x, data.train.y)
    run = ms.train(ms.Network(ms.Conv2d(1, 3, padding=1)), data, epochs=1)
    assert run.network.predict(images).shape == images.shape
