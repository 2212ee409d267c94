"""SAM's rise: quadratics, where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.errors import ArgumentError
from tests.lab.instruments.curvature.smooth_functions import quadratic, softmax_regression


def test_up_the_gradient_of_a_quadratic() -> None:
    """ρ |g| + ½ ρ² gᵀ H g / |g|²"""
    subject, rho = quadratic(1, 9, at=[2.0, 1.0]), 0.1
    g = np.array([2.0, 9.0])
    bend = (g @ np.diag([1, 9]) @ g) / (g @ g)
    found = ms.sam_sharpness(subject, rho=rho)
    assert_allclose(found.value, rho * np.linalg.norm(g) + 0.5 * rho**2 * bend, rtol=1e-12)
    assert found.along == "gradient"


def test_at_a_stationary_point_the_top_eigenvector() -> None:
    """½ ρ² λmax"""
    for at in (np.zeros(3), [1e-14, 0, 0]):
        found = ms.sam_sharpness(quadratic(1, 4, 9, at=at, seed=1), rho=0.1)
        assert_allclose(found.value, 0.5 * 0.1**2 * 9, rtol=1e-6)
        assert found.along == "top eigenvector"


def test_on_a_network_it_is_the_loss_at_the_step() -> None:
    objective, _ = softmax_regression()
    w, g = objective.start, objective.gradient(objective.start)
    expected = objective.value(w + 0.05 * g / np.linalg.norm(g)) - objective.value(w)
    assert_allclose(ms.sam_sharpness(objective).value, expected, rtol=1e-12)
    assert expected > 0


def test_a_gradient_that_overflows_is_refused() -> None:
    network = ms.Network(ms.Linear(1)).build((2,))
    with pytest.raises(ms.DivergedError, match="must be finite"), np.errstate(over="ignore"):
        ms.sam_sharpness(network, (np.full((3, 2), 1e80), np.ones(3)))


def test_a_bad_radius_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"rho must be a number in \(0, inf\)"):
        ms.sam_sharpness(quadratic(1, 2), rho=-1)
