"""Directions: as long as the filters they move, and blind to a rescaling that the network does not notice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.errors import ArgumentError, ShapeError
from minisgd.lab.instruments.landscape.directions import (
    filter_normalised,
    hold_mixture,
    points_of,
    random_direction,
    require_direction,
)
from tests.lab.instruments.curvature.smooth_functions import quadratic


def test_every_filter_has_the_length_of_its_weights() -> None:
    network = ms.Network(ms.Conv2d(3, 2), ms.BatchNorm(), ms.Flatten(), ms.Linear(4)).build((4, 4, 2), dtype="float64")
    w, d = network.vector, np.random.default_rng(0).normal(size=network.n_parameters)
    found = {s.name: s.view(filter_normalised(network.layout, w, d)) for s in network.layout}
    drawn = {s.name: s.view(d) for s in network.layout}
    weights = network.parameters()
    for name, axes in (("0.W", (0, 1, 2)), ("3.W", (0,))):
        assert_allclose(np.square(found[name]).sum(axes), np.square(weights[name]).sum(axes), rtol=1e-12)
        ratio = found[name] / drawn[name]
        assert_allclose(ratio, np.broadcast_to(ratio.mean(axes), ratio.shape), rtol=1e-10)
    for name in ("0.b", "1.gamma", "1.beta", "3.b"):
        assert_allclose(found[name], 0, atol=0)


def test_a_rescaled_network_has_the_same_landscape() -> None:
    """ReLU networks compute the same when one layer is multiplied by 8 and the next divided by it (Li et al. 2018)."""
    data = ms.datasets.digits(validation=0.0)
    network = ms.model("mlp:8", data.input_shape, 10).build(data.input_shape, dtype="float64")
    scaled = network.copy()
    scaled.parameters()["hidden1.W"][...] *= 8
    scaled.parameters()["output.W"][...] /= 8
    one, other = (ms.loss_line(net, data, points=5, seed=3) for net in (network, scaled))
    assert_allclose(one.loss, other.loss, rtol=1e-12)


def test_a_function_without_layers_gets_a_unit_vector() -> None:
    assert_allclose(np.linalg.norm(random_direction(quadratic(1, 2, 3), np.random.default_rng(0))), 1, rtol=1e-12)


def test_mixtures_of_statistics_stay_between_the_ends() -> None:
    data = ms.datasets.digits(validation=0.0)
    network = ms.model("mlp-bn:4", data.input_shape, 10).build(data.input_shape)
    other = network.copy()
    other.statistics[...] = 3.0
    objective = ms.Objective(network, data)
    _, statistics = points_of(objective, [other])
    for t, expected in ((0.0, 0.0), (0.25, 0.25), (1.0, 1.0), (-2.0, 0.0), (1.5, 1.0)):
        hold_mixture(objective, np.array([1 - t, t]), statistics)
        assert_allclose(objective.statistics, (1 - expected) * statistics[0] + expected * 3.0, rtol=1e-12)


def test_wrong_directions_are_refused() -> None:
    subject = quadratic(1, 2, 3)
    for wrong in (np.ones(2), np.ones((3, 1)), np.ones(3, complex)):
        with pytest.raises(ShapeError, match="d must be a real vector"):
            require_direction(subject, wrong, "d")
    for wrong in (np.zeros(3), np.array([1, np.nan, 0])):
        with pytest.raises(ArgumentError, match="d must be finite and not zero"):
            require_direction(subject, wrong, "d")
    data = ms.datasets.digits(validation=0.0)
    network = ms.model("mlp:4", data.input_shape, 10).build(data.input_shape)
    other = ms.model("mlp:5", data.input_shape, 10).build(data.input_shape)
    with pytest.raises(ShapeError, match="the same layers as the first"):
        ms.loss_line(network, data, to=other)
    network.vector[...] = 0
    with pytest.raises(ArgumentError, match="weights are not all zero"):
        ms.loss_line(network, data)
