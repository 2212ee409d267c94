"""What the noise scale predicts for one step, on a quadratic that is known."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.lab.instruments.noise.predict import StepPrediction

H, G, SIGMA = np.diag([1.0, 4.0]), np.array([2.0, 1.0]), np.diag([8.0, 6.0])
QUADRATIC = StepPrediction(float(G @ G), float(G @ H @ G), float(np.trace(H @ SIGMA)))


def test_the_scales() -> None:
    assert_allclose(np.trace(SIGMA) / (G @ G), 2.8)
    assert_allclose((QUADRATIC.b_noise, QUADRATIC.lr_max, QUADRATIC.loss_drop_max), (4, 0.625, 1.5625), rtol=1e-14)


@pytest.mark.parametrize("b, lr, drop", [(1, 0.125, 0.3125), (4, 0.3125, 0.78125), (16, 0.5, 1.25)])
def test_best_rate_and_gain_at_each_batch_size(b: int, lr: float, drop: float) -> None:
    assert_allclose((QUADRATIC.best_lr(b), QUADRATIC.loss_drop(b)), (lr, drop), rtol=1e-14)


@pytest.mark.parametrize("b", [1, 4, 16])
def test_no_other_rate_gains_more(b: int) -> None:
    """ΔL(lr) = lr |G|² − ½ lr² (GᵀHG + tr(HΣ)/B) is largest at best_lr, and there it is loss_drop."""
    rates = np.linspace(0, 2, 200_001)
    gains = rates * (G @ G) - rates**2 / 2 * (G @ H @ G + np.trace(H @ SIGMA) / b)
    assert_allclose(rates[gains.argmax()], QUADRATIC.best_lr(b), atol=1e-5)
    assert_allclose(gains.max(), QUADRATIC.loss_drop(b), rtol=1e-8)


def test_steps_with_drawn_gradients_gain_as_predicted() -> None:
    rng, b = np.random.default_rng(0), 4
    g = G + rng.normal(size=(400_000, 2)) * np.sqrt(np.diag(SIGMA) / b)
    step = QUADRATIC.best_lr(b) * g
    gain = step @ G - 0.5 * np.einsum("ni,ij,nj->n", step, H, step)
    assert_allclose(gain.mean(), QUADRATIC.loss_drop(b), rtol=0.01)


def test_where_the_loss_curves_down_there_is_no_best_rate() -> None:
    saddle = StepPrediction(5.0, -1.0, 3.0)
    assert all(map(isnan, (saddle.b_noise, saddle.lr_max, saddle.best_lr(4), saddle.loss_drop(4))))
