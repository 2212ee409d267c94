"""Examples to target that fall and rise with the batch size, and which curve fits."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms

SIZES = 2.0 ** np.arange(3, 13)
S_MIN, E_MIN, B_MIN = 1000.0, 64_000.0, 6.0


def noisy(b_min: float, rng: np.random.Generator, scatter: float = 0.15) -> np.ndarray:
    steps = S_MIN + E_MIN / (SIZES - b_min)
    return steps * np.exp(scatter * rng.standard_normal(len(SIZES)))


def test_a_known_curve_is_recovered() -> None:
    found = ms.two_phase_fit(SIZES, S_MIN + E_MIN / (SIZES - B_MIN))
    assert_allclose([found.s_min, found.e_min, found.b_min], [S_MIN, E_MIN, B_MIN], rtol=1e-5)
    assert found.two_phases and found.residual < 1e-6 < found.hyperbola.residual
    assert_allclose(found.b_opt, B_MIN + np.sqrt(B_MIN * 64), rtol=1e-5)
    around = found.examples(found.b_opt * np.array([0.99, 1.0, 1.01]))
    assert around[1] < min(around[0], around[2])
    steps = found.steps(SIZES)
    assert_allclose(found.examples(SIZES), found.b_min * steps + found.e_min * steps / (steps - found.s_min), rtol=1e-9)
    assert np.isinf(found.steps(found.b_min / 2))


def test_medians_of_seeds_are_fitted_and_what_was_not_reached_is_left_out() -> None:
    rng = np.random.default_rng(0)
    table = np.stack([noisy(B_MIN, rng) for _ in range(5)], axis=1)
    table[-1, :3] = np.inf
    found, alone = ms.two_phase_fit(SIZES, table), ms.two_phase_fit(SIZES[:-1], np.median(table[:-1], axis=1))
    assert found == alone


@pytest.mark.parametrize("steps", [[1.0] * 4, [3.0] * 9, [-1.0] * 10, np.ones((10, 0))])
def test_nonsense_is_refused(steps) -> None:
    with pytest.raises(ms.ArgumentError, match="^(batch_sizes|steps) must be"):
        ms.two_phase_fit(SIZES[: 4 if len(steps) == 4 else 10], steps)


def test_at_one_learning_rate_the_noisy_quadratic_has_two_phases_and_with_tuned_ones_none() -> None:
    """E θ² of one coordinate, h = c = 1 (Zhang et al. 2019): below Bmin = a / ((2 − a) E θ²) none arrives.

    Near Bmin its steps grow like a logarithm, which a hyperbola follows from a smaller Bmin.
    """
    sizes, target = 2.0 ** np.arange(3, 13), 0.01

    def steps(lr: np.ndarray, batch: np.ndarray) -> np.ndarray:
        floor, shrink = lr / ((2 - lr) * batch), (1 - lr) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            left = np.log((target - floor) / (1 - floor)) / np.log(shrink)
        return np.where(floor < target, left, np.inf)

    lr = 0.1
    fixed = ms.two_phase_fit(sizes, steps(np.full(10, lr), sizes))
    b_min = lr / ((2 - lr) * target)
    assert fixed.two_phases and 0.5 * b_min < fixed.b_min <= b_min
    rates = np.geomspace(1e-4, 0.9, 2000)[:, None]
    tuned = ms.two_phase_fit(sizes, steps(rates, sizes).min(axis=0))
    assert not tuned.two_phases or tuned.b_min < 0.02 * b_min


@pytest.mark.slow
def test_a_hyperbola_is_seldom_ruled_out_and_a_second_phase_often_found() -> None:
    """Simulated: log-normal scatter of 0.15 about each curve, ten batch sizes, 100 repetitions."""
    rng = np.random.default_rng(1)
    ruled_out = np.mean([ms.two_phase_fit(SIZES, noisy(0.0, rng)).two_phases for _ in range(100)])
    fits = [ms.two_phase_fit(SIZES, noisy(B_MIN, rng)) for _ in range(100)]
    assert ruled_out <= 0.055
    assert np.mean([fit.two_phases for fit in fits]) > 0.9
    assert np.mean([fit.interval[0] <= B_MIN <= fit.interval[1] for fit in fits]) >= 0.9
