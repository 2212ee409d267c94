from __future__ import annotations

import numpy as np
import pytest

from minisgd.data.synthetic import gaussian_blobs, linear_regression
from minisgd.errors import ArgumentError


def test_blobs_have_unit_spread_and_the_separation_asked_for():
    data = gaussian_blobs(20_000, features=50, classes=20, separation=6.0, validation=None)
    x, y = data.train.x, data.train.y
    assert x.dtype == np.float32 and data.n_classes == 20
    np.testing.assert_array_equal(np.bincount(y), 1000)
    centres = np.array([x[y == c].mean(axis=0) for c in range(20)])
    np.testing.assert_allclose((x - centres[y]).var(), 1, rtol=0.02)
    distance = np.square(centres[:, None] - centres[None]).sum(axis=2)[np.triu_indices(20, 1)]
    np.testing.assert_allclose(np.sqrt(distance.mean()), 6, rtol=0.1)


def test_least_squares_reaches_the_noise():
    data = linear_regression(5000, features=8, noise=0.5, validation=None)
    x, y = data.train.x.astype(np.float64), data.train.y.astype(np.float64)
    assert y.shape == (5000, 1) and data.task == "regression" and data.n_outputs == 1
    w, squares, _, _ = np.linalg.lstsq(x, y)
    np.testing.assert_allclose(np.linalg.norm(w), 1, rtol=0.05)
    np.testing.assert_allclose(squares / 5000, 0.25, rtol=0.1)


@pytest.mark.parametrize("draw", [gaussian_blobs, linear_regression])
def test_the_seed_decides(draw):
    np.testing.assert_array_equal(draw(seed=1).train.x, draw(seed=1).train.x)
    assert (draw(seed=1).train.x != draw(seed=2).train.x).any()


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: gaussian_blobs(0), "n must be"),
        (lambda: gaussian_blobs(features=0), "features must be"),
        (lambda: gaussian_blobs(classes=1), "classes must be from 2"),
        (lambda: gaussian_blobs(3, classes=4), "classes must be from 2 to n = 3"),
        (lambda: gaussian_blobs(separation=-1), "separation must be"),
        (lambda: gaussian_blobs(seed=-1), "seed must be"),
        (lambda: linear_regression(0), "n must be"),
        (lambda: linear_regression(noise=float("nan")), "noise must be"),
    ],
)
def test_bad_arguments_are_refused(call, argument):
    with pytest.raises(ArgumentError, match=argument):
        call()
