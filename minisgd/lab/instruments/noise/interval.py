"""How far B_simple = tr Σ / |G|² may be from its estimate."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from minisgd.lab.instruments.noise.moments import NoiseEstimate, from_squared_norms
from minisgd.lab.student import t_quantile
from minisgd.typing import HostArray

CONFIDENCE = 0.99


@dataclass(frozen=True)
class NoiseInterval:
    """An estimate from examples, and the values of B_simple that it does not rule out (99%).

    high is infinite where |G|² = 0 is not ruled out; estimate.b_simple is NaN where the estimate of |G|² is negative.
    """

    estimate: NoiseEstimate
    low: float
    high: float

    @property
    def resolved(self) -> bool:
        """True if B_simple is bounded on both sides."""
        return self.high < inf


def interval_of_examples(
    sq_norms: HostArray, products: HostArray, sq_norm_of_sum: float, population: int | None = None
) -> NoiseInterval:
    """Estimate |G|², tr Σ and B_simple with its interval from n gradients, of which only products are needed.

    sq_norms (n,) |g_i|²   products (n,) g_iᵀ S   sq_norm_of_sum |S|², S = Σ g_i
    population: N, if drawn from so many without replacement

    Leaving out one example after the other (the jackknife) gives the covariance of the two estimates: all of them
    follow from |S − g_i|² = |S|² − 2 g_iᵀ S + |g_i|². The interval is Fieller's (1954): those ρ at which tr Σ − ρ |G|²
    is within its error of zero, which opens towards infinity as |G|² is lost in the noise.
    """
    n = len(sq_norms)
    estimate = from_squared_norms(float(sq_norms.sum()), sq_norm_of_sum, n, population)
    if n == population:
        return NoiseInterval(estimate, estimate.b_simple, estimate.b_simple)
    without = sq_norm_of_sum - 2 * products + sq_norms
    left_out = [
        from_squared_norms(float(sq_norms.sum() - own), float(rest), n - 1, population)
        for own, rest in zip(sq_norms, without, strict=True)
    ]
    pairs = np.array([(e.trace_covariance, e.grad_sq_norm) for e in left_out])
    spread = (n - 1) ** 2 / n * np.cov(pairs.T) * (1 - n / population if population else 1)
    low, high = fieller(
        estimate.trace_covariance, estimate.grad_sq_norm, spread, t_quantile((1 + CONFIDENCE) / 2, n - 1)
    )
    return NoiseInterval(estimate, low, high)


def fieller(a: float, b: float, covariance: HostArray, t: float) -> tuple[float, float]:
    """Return the ρ ≥ 0 with (a − ρ b)² ≤ t² Var(a − ρ b), for estimates a > 0 and b with covariance (2, 2)."""
    aa, ab, bb = (float(t**2 * covariance[at]) for at in ((0, 0), (0, 1), (1, 1)))
    square, linear, constant = b * b - bb, a * b - ab, a * a - aa
    root = linear * linear - square * constant
    if square > 0 and b > 0:
        half = sqrt(max(root, 0.0))
        return max(0.0, (linear - half) / square), (linear + half) / square
    if constant <= 0 or root < 0 or square == 0:  # tr Σ is not told from zero either
        return 0.0, inf
    return max(0.0, (linear - sqrt(root)) / square), inf
