"""Quantiles of Student's t and of F with one numerator degree of freedom, without SciPy.

The distribution function of t is a regularised incomplete beta function, computed by its continued fraction (Lentz's
algorithm; Press et al. 2007, Numerical Recipes, section 6.4); its quantile by bisection to the last bit.
"""

from __future__ import annotations

import math
from functools import cache

from minisgd.errors import ArgumentError

TINY = 1e-300
"""In place of a denominator of zero in the continued fraction."""


def t_distribution(t: float, df: float) -> float:
    """Return P(T ≤ t) for Student's t with df degrees of freedom."""
    tail = 0.5 * _incomplete_beta(df / (df + t * t), df / 2, 0.5)
    return 1 - tail if t > 0 else tail


@cache
def t_quantile(p: float, df: float) -> float:
    """Return the t with P(T ≤ t) = p for Student's t with df degrees of freedom: 12.7 for p = 0.975, df = 1.

    Raises:
        ArgumentError: if p is not in (0, 1) or df is not positive.
    """
    if not 0 < p < 1 or not df > 0:
        raise ArgumentError("p, df", expected="p in (0, 1) and df > 0", got=(p, df), fix="give at least two values")
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high = 0.0, 1.0
    while t_distribution(high, df) < p:
        high *= 2
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if t_distribution(middle, df) < p else (low, middle)
    return high


def f_quantile(p: float, df: float) -> float:
    """Return the quantile of F with 1 and df degrees of freedom: the square of a t."""
    return t_quantile((1 + p) / 2, df) ** 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges quickly below
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) / a
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
