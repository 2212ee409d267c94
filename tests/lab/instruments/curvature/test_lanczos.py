"""Lanczos against spectra that are known, easy and hard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.lab.instruments.curvature.lanczos import Extremes, lanczos
from minisgd.typing import HostArray


def solve(H: HostArray, *, tolerance: float = 1e-8, most: int = 500, seed: int = 0, **options: Any) -> Extremes:
    start = np.random.default_rng(seed).normal(size=len(H))
    return lanczos(lambda v: H @ v, start, tolerance=tolerance, most=most, **options)


def rotated(eigenvalues: HostArray, seed: int = 1) -> HostArray:
    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(eigenvalues),) * 2))[0]
    H: HostArray = axes @ np.diag(eigenvalues) @ axes.T
    return H


SPECTRA: dict[str, HostArray] = {
    "even": np.linspace(-3, 5, 120),
    "one outlier": np.r_[np.linspace(0, 1, 99), 40],
    "decay over twelve decades": np.logspace(-12, 0, 80),
    "close pair at the top": np.r_[np.linspace(-1, 1, 60), 2, 2 + 1e-4],
    "all negative": np.linspace(-7, -2, 50),
    "of both signs, mirrored": np.r_[-np.geomspace(1, 4, 30), np.geomspace(1, 4, 30)],
    "low rank": np.r_[np.zeros(95), 1, 2, 3, 4, 5],
    "one number": np.full(20, 3.0),
    "zero": np.zeros(20),
    "single": np.array([-2.0]),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_both_ends_with_their_vectors(name: str) -> None:
    eigenvalues = SPECTRA[name]
    H, size = rotated(eigenvalues), max(float(np.abs(eigenvalues).max()), 1e-30)
    found = solve(H)
    for pair, expected in ((found.top, eigenvalues.max()), (found.bottom, eigenvalues.min())):
        assert pair.converged
        assert_allclose(pair.value, expected, rtol=0, atol=1e-8 * size)
        assert_allclose(np.linalg.norm(pair.vector), 1, rtol=1e-12)
        assert_allclose(H @ pair.vector, pair.value * pair.vector, rtol=0, atol=2e-8 * size)


def test_no_ghosts_after_many_products() -> None:
    """Without reorthogonalisation the recurrence finds the outlier again and again."""
    eigenvalues = np.r_[np.linspace(0, 1, 99), 40]
    H = rotated(eigenvalues)
    found = solve(H, tolerance=0.0, most=100)
    assert found.products == 100
    assert_allclose(found.top.value, 40, rtol=1e-13)
    assert_allclose(found.bottom.value, 0, atol=1e-12)


def test_residuals_are_what_they_say() -> None:
    H = rotated(np.linspace(-3, 5, 300))
    found = solve(H, most=20)
    for pair in (found.top, found.bottom):
        assert not pair.converged
        assert_allclose(np.linalg.norm(H @ pair.vector - pair.value * pair.vector), pair.residual, rtol=1e-8)
    assert found.products == 20


def test_one_end_alone_takes_fewer_products() -> None:
    H = rotated(np.r_[np.linspace(0, 1, 300), 9])
    both, top = solve(H), solve(H, ends=("top",))
    assert top.products < both.products / 2
    assert_allclose(top.top.value, 9, rtol=1e-10)
    assert top.top.converged and not top.bottom.converged
