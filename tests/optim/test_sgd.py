"""Stability of descent on quadratics, where it is known exactly."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.optim import SGD
from tests.optim.optimizer_table import bench, vector


def descend(optimizer, h, steps: int, start=1.0) -> np.ndarray:
    """Follow the exact gradient h θ of the risk ½ Σ h θ²."""
    b = bench(optimizer, vector(len(h)))
    b.w[:] = start
    for _ in range(steps):
        np.multiply(h, b.w, out=b.g)
        b.program.replay()
    return b.w


def test_best_learning_rate_of_full_batch_descent():
    """H = diag(1, 9), lr = 2 / (1 + 9): both coordinates shrink by (κ − 1)/(κ + 1) = 0.8 a step."""
    assert_allclose(np.abs(descend(SGD(0.2), np.array([1.0, 9.0]), 10)), 0.1073741824, rtol=1e-13)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_heavy_ball_is_stable_below_its_bound(momentum):
    largest = 4.0
    bound = 2 * (1 + momentum) / largest
    h = np.array([0.5, largest])
    assert np.abs(descend(SGD(0.99 * bound, momentum=momentum), h, 4000)).max() < 1e-6
    assert np.abs(descend(SGD(1.01 * bound, momentum=momentum), h, 4000)).max() > 1e6


@pytest.mark.parametrize("batch_size, bound", [(1, 1.0), (2, 4 / 3), (8, 16 / 9)])
def test_largest_stable_learning_rate_grows_with_the_batch(batch_size, bound):
    """x² is 0 or 2 with equal chance, the loss ½ x² θ²: E[θ²] is kept by one step at lr = 2 / (1 + 1/B).

    Each replica is one outcome: k examples of B with x² = 2, with its binomial probability.
    """
    k = np.arange(batch_size + 1)
    chance = np.array([comb(batch_size, int(i)) for i in k]) / 2**batch_size

    def second_moment(lr: float) -> float:
        b = bench(SGD(lr), vector(1), lead=(len(k),))
        b.w[:] = 1.0
        b.g[:, 0] = 2 * k / batch_size
        b.program.replay()
        return float(chance @ b.w[:, 0] ** 2)

    assert_allclose(second_moment(bound), 1.0, rtol=1e-14)
    assert second_moment(0.999 * bound) < 1 < second_moment(1.001 * bound)


def test_plain_descent_keeps_no_state():
    assert SGD(0.1).slots == ()
    assert SGD(0.1, momentum=0.9).slots == ("velocity",)
