"""Quantiles of t and F against published tables and SciPy."""

from __future__ import annotations

import math

import pytest

from minisgd.errors import ArgumentError
from minisgd.lab.student import f_quantile, t_distribution, t_quantile

TABLE = {1: 12.706205, 2: 4.302653, 4: 2.776445, 7: 2.364624, 30: 2.042272, 1000: 1.962339}
"""The 97.5% quantiles as tables print them."""


@pytest.mark.parametrize("df", TABLE)
def test_quantiles_are_those_of_tables(df):
    assert t_quantile(0.975, df) == pytest.approx(TABLE[df], abs=1e-6)
    assert t_quantile(0.025, df) == -t_quantile(0.975, df)
    assert f_quantile(0.95, df) == pytest.approx(TABLE[df] ** 2, rel=1e-6)


@pytest.mark.parametrize("t", [-40.0, -2.0, -0.1, 0.0, 1e-3, 0.7, 3.0, 25.0])
def test_one_degree_of_freedom_is_cauchy(t):
    assert t_distribution(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-14)


def test_scipy_agrees():
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    for df in (1, 2, 3.7, 8, 55, 1e4):
        for p in (0.501, 0.8, 0.95, 0.975, 0.9995):
            assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("p", "df"), [(0.0, 3), (1.0, 3), (0.5, 0), (math.nan, 2), (0.9, -1)])
def test_what_has_no_quantile_is_refused(p, df):
    with pytest.raises(ArgumentError, match="p, df must be"):
        t_quantile(p, df)
