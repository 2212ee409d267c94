"""Keskar's sharpness: boxes whose highest point is known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.errors import ArgumentError
from minisgd.lab.instruments.curvature.keskar import keskar_sharpness
from minisgd.typing import HostArray
from tests.lab.instruments.curvature.smooth_functions import Quadratic, quadratic, softmax_regression


@pytest.mark.parametrize(("epsilon", "expected"), [(1e-3, 0.2669333333), (5e-4, 0.1334)])
def test_the_quadratic_of_the_paper(epsilon: float, expected: float) -> None:
    """f = ½·4x², x = 1: 100 (2 (1 + 2ε)² − 2) / 3 (methods 6)"""
    found = keskar_sharpness(quadratic(4, at=[1.0]), epsilon=epsilon)
    assert_allclose(found.value, expected, rtol=1e-9)
    assert_allclose(found.value, 100 * (2 * (1 + 2 * epsilon) ** 2 - 2) / 3, rtol=1e-12)
    assert_allclose(found.z, 2 * epsilon, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_convex_function_is_highest_in_a_corner(seed: int) -> None:
    """At the minimum, where the gradient says nothing, and beside it: every corner was looked at."""
    rng = np.random.default_rng(seed)
    for at in (np.zeros(8), rng.normal(0, 1e-3, 8)):
        subject = quadratic(*rng.uniform(0, 1, 7), 10, at=at, seed=seed)
        box = 1e-2 * (np.abs(at) + 1)
        highest = max(subject.value(at + box * corner) for corner in product((-1, 1), repeat=8))
        f = subject.value(at)
        found = keskar_sharpness(subject, epsilon=1e-2)
        assert_allclose(found.value, 100 * (highest - f) / (1 + f), rtol=1e-6)


class Hill(Quadratic):
    """f(w) = 1 − ½ wᵀ H w: its top is inside the box."""

    def value(self, w: HostArray) -> float:
        return 1 - super().value(w)

    def value_and_gradient(self, w: HostArray) -> tuple[float, HostArray]:
        return self.value(w), -self.H @ w

    def hessian_vector(self, w: HostArray, v: HostArray) -> HostArray:
        return -self.H @ v


def test_a_hill_is_highest_inside() -> None:
    base = quadratic(1, 10, 100, at=[3e-4, -2e-4, 1e-4], seed=0)
    found = keskar_sharpness(Hill(base.H, base.at))
    f = 1 - base.value(base.at)
    assert_allclose(base.at + found.z, 0, atol=1e-5)  # the box is 1e-3 wide
    assert_allclose(found.value, 100 * (1 - f) / (1 + f), rtol=1e-3)


def test_no_random_point_of_the_box_is_higher() -> None:
    objective, _ = softmax_regression()
    w, rng = objective.start, np.random.default_rng(0)
    found = keskar_sharpness(objective)
    f = objective.value(w)
    rise = found.value / 100 * (1 + f)
    assert_allclose(objective.value(w + found.z) - f, rise, rtol=1e-12)
    assert np.abs(found.z).max() <= 1e-3 * (1 + 1e-12)
    corners = [objective.value(w + 1e-3 * rng.choice([-1, 1], w.size)) - f for _ in range(200)]
    along_gradient = objective.value(w + 1e-3 * np.sign(objective.gradient(w))) - f
    assert rise >= along_gradient * (1 - 1e-9) and rise > max(corners)


def test_a_flat_function_has_none_and_a_bad_box_is_refused() -> None:
    assert keskar_sharpness(quadratic(0, 0)).value == 0
    with pytest.raises(ArgumentError, match=r"epsilon must be a number in \(0, inf\)"):
        ms.keskar_sharpness(quadratic(1, 2), epsilon=0)
