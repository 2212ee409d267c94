"""The path of a training run: where it was, and its two main directions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.errors import ArgumentError


def test_the_path_begins_and_ends_with_the_weights_and_training_does_not_notice() -> None:
    data = ms.datasets.digits(validation=0.2)
    network = ms.model("mlp:4", data.input_shape, 10).build(data.input_shape, seeds=3)
    path = ms.Trajectory(every=4)
    watched = ms.train(network, data, steps=10, callbacks=[path])
    plain = ms.train(network, data, steps=10)
    assert_array_equal(path.steps, [0, 4, 8, 10])
    assert_array_equal(path.weights[0], network.vector)
    assert_array_equal(path.weights[-1], watched.network.vector)
    assert_array_equal(watched.network.vector, plain.network.vector)


def test_main_directions_are_those_of_a_singular_value_decomposition() -> None:
    data = ms.datasets.digits(validation=0.2)
    path = ms.Trajectory(every=1)
    ms.train(ms.model("mlp:4", data.input_shape, 10), data, steps=12, callbacks=[path])
    expected = np.linalg.svd(path.weights - path.weights[-1], full_matrices=False)[2]
    for found, row in zip(path.principal_directions(), expected, strict=False):
        assert_allclose(np.abs(found @ row), 1, rtol=1e-8)
        assert_allclose(np.linalg.norm(found), 1, rtol=1e-12)


def test_wrong_uses_are_refused() -> None:
    with pytest.raises(ArgumentError, match="at least 3 samples"):
        ms.Trajectory().principal_directions()
    with pytest.raises(ArgumentError, match="every must be a positive integer"):
        ms.Trajectory(every=0)
