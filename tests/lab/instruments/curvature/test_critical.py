"""Critical sharpness: quadratics, where it is known, and networks, where a step can be tried."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.errors import ArgumentError
from tests.lab.instruments.curvature.smooth_functions import quadratic


@pytest.mark.parametrize("at", [[2.0, 1.0], [1e-3, 5.0], [300.0, -2e-4]])
@pytest.mark.parametrize("eigenvalues", [(1, 9), (1e-4, 3e-4), (1e3, 1e5)])
def test_on_a_quadratic_it_is_the_curvature_along_the_gradient(eigenvalues, at) -> None:
    """gᵀHg / gᵀg"""
    h = np.array(eigenvalues)
    g = h * at
    found = ms.critical_sharpness(quadratic(*eigenvalues, at=at))
    assert_allclose(found.value, (g @ (h * g)) / (g @ g), rtol=1e-6)
    assert found.resolved and found.passes <= 10 and found.value <= h.max() * (1 + 1e-6)


def test_along_an_update() -> None:
    """−2 gᵀu / uᵀHu is the step at which the loss is back where it was."""
    h, at, u = np.array([1.0, 9.0]), np.array([2.0, 1.0]), np.array([-1.0, -0.5])
    found = ms.critical_sharpness(quadratic(1, 9, at=at), along=u)
    assert_allclose(found.step, -2 * (h * at @ u) / (u @ (h * u)), rtol=1e-6)
    assert found.along == "given update"


def test_on_a_network_the_loss_rises_just_beyond_the_step() -> None:
    x = np.random.default_rng(1).normal(size=(200, 5))
    network = ms.Network(ms.Linear(8), ms.Tanh(), ms.Linear(1)).build((5,))
    network.vector[:] = np.random.default_rng(2).normal(size=network.vector.shape)
    objective = ms.Objective(network, (x, np.sin(x.sum(1))))
    w = objective.start
    loss, g = objective.value_and_gradient(w)
    found = ms.critical_sharpness(objective)
    assert found.resolved
    assert objective.value(w - 1.01 * found.step * g) > loss > objective.value(w - 0.99 * found.step * g)


def test_a_loss_that_never_rises_is_said_to_be_unresolved() -> None:
    class Slope:
        parameters, start = 2, np.zeros(2)

        def value(self, w):
            return -float(w[0])

        def value_and_gradient(self, w):
            return self.value(w), np.array([-1.0, 0.0])

        def hessian_vector(self, w, v):
            return 0 * v

    found = ms.critical_sharpness(Slope())
    assert not found.resolved and found.passes == 10
    assert_allclose(found.value, 2 / found.step)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(
        ArgumentError, match="along must be a direction in which the loss falls, got a gradient of zero"
    ):
        ms.critical_sharpness(quadratic(1, 2, at=[0.0, 0.0]))
    with pytest.raises(ArgumentError, match="along must be"):
        ms.critical_sharpness(quadratic(1, 2, at=[1.0, 1.0]), along=np.array([1.0, 1.0]))
    with pytest.raises(ArgumentError, match="passes"):
        ms.critical_sharpness(quadratic(1, 2, at=[1.0, 1.0]), passes=1)


def test_along_a_training_run() -> None:
    x = np.random.default_rng(0).normal(size=(64, 3))
    data = (x, (x @ [1.0, -1.0, 0.5] > 0).astype(int))
    sampled = ms.Sampled(lambda network: ms.critical_sharpness(network, data).value, every=4)
    ms.train(ms.Network(ms.Linear(2)), data, epochs=2, batch_size=16, callbacks=[sampled])
    assert sampled.steps == [0, 4, 8] and all(value > 0 for value in sampled.results)
