"""The surge law, on best learning rates whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import minisgd as ms
from minisgd.lab.study.batch_result import BatchResult, LearningRateResult
from minisgd.lab.study.surge import best_rate, is_sign_like, shape, surge_law
from tests.lab.study import synthetic_study

SIZES = (4, 16, 64, 256, 1024, 4096)
ONE = synthetic_study.study().batch_sizes[0]


def batch(size: int, lr: float, miss: float = 1.0) -> BatchResult:
    """Return a batch size whose steps are a parabola in log lr with its lowest point at lr."""
    grid = miss * lr * 10 ** (np.arange(-2, 3) / 4)
    steps = 100 * np.exp(np.square(np.log(grid / lr)))
    rows = tuple(LearningRateResult(float(r), float(s), 5, 0, 0.1) for r, s in zip(grid, steps, strict=True))
    best = int(steps.argmin())
    return replace(ONE, batch_size=size, lr=float(grid[best]), lr_on_edge=best in (0, 4), lr_grid=rows)


def law(peak: float) -> np.ndarray:
    return 0.01 * np.exp(shape(np.array(math.log(peak)), np.array(SIZES, float)))


def found(rates: np.ndarray, noise: float = 0.0, seed: int = 0) -> tuple:
    noisy = rates * np.exp(noise * np.random.default_rng(seed).normal(size=len(rates)))
    return surge_law([batch(b, float(lr)) for b, lr in zip(SIZES, noisy, strict=True)])


def test_the_formula_is_the_published_one():
    b = np.array(SIZES, float)
    np.testing.assert_allclose(law(100), 0.01 / (0.5 * (np.sqrt(100 / b) + np.sqrt(b / 100))), rtol=1e-12)


@pytest.mark.parametrize("miss", [0.8, 1.0, 1.2])
def test_the_best_rate_lies_between_those_tried(miss):
    np.testing.assert_allclose(best_rate(batch(4, 0.03, miss)), 0.03, rtol=1e-9)
    assert best_rate(batch(4, 0.03, 10.0)) is None  # beyond the edge nothing is known


def test_a_peak_inside_is_found_and_one_beyond_is_not_a_fall():
    inside = found(law(100), 0.05)
    assert inside.found == "rises and falls" and inside.low < 100 < inside.high
    assert "the peak is at batch size" in str(inside)
    beyond = found(law(1e6), 0.05)
    assert beyond.found == "rises" and beyond.low > 4096 and "beyond the batch sizes tried" in str(beyond)
    flat = found(np.full(6, 0.01), 0.05)
    assert flat.found == "not decided" and "not decided" in str(flat)
    few = surge_law([batch(b, 0.01) for b in SIZES[:3]])
    assert few.peak is None and few.found == "not decided" and "needs 4 batch sizes" in str(few)


def test_who_steps_by_the_sign():
    like = [ms.Adam(), ms.AdamW(), ms.SignSGD(), ms.Lion()]
    assert all(map(is_sign_like, like)) and not any(map(is_sign_like, [ms.SGD(lr=0.1), ms.Muon()]))


@pytest.mark.slow
def test_the_interval_covers_and_falls_are_rarely_seen_where_there_is_none():
    covered, false = 0, {"flat": 0, "root": 0}
    for seed in range(400):
        each = found(law(100), 0.3, seed)
        covered += each.low <= 100 <= each.high
        for name, rates in (("flat", np.full(6, 0.01)), ("root", 1e-3 * np.sqrt(SIZES))):
            false[name] += found(rates, 0.3, seed).found == "rises and falls"
    assert 0.93 <= covered / 400 <= 0.975
    assert max(false.values()) <= 0.05 * 400
