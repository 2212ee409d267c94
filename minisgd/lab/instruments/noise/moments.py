"""Estimates of |G|² and tr Σ: kept apart until the last, since an average of ratios is biased.

G the mean gradient of a population, Σ the covariance of its gradients g_i, B_simple = tr Σ / |G|² (McCandlish et al.
2018, section 2.2 and appendix A).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan

from minisgd.errors import ArgumentError
from minisgd.optim.checks import decay_rate


@dataclass(frozen=True)
class NoiseEstimate:
    """Unbiased estimates of |G|² and tr Σ. That of |G|² may be negative: then it is lost in the noise."""

    grad_sq_norm: float
    trace_covariance: float

    @property
    def b_simple(self) -> float:
        """tr Σ / |G|², NaN where |G|² is not resolved."""
        return ratio(self.trace_covariance, self.grad_sq_norm)


def from_squared_norms(
    sum_sq_norms: float, sq_norm_of_sum: float, n: int, population: int | None = None
) -> NoiseEstimate:
    """Estimate from n examples: tr Σ = (Σ|g_i|² − |Σ g_i|²/n)/(n − 1), |G|² = |ḡ|² − tr Σ (1/n − 1/N).

    population: N, where the examples were drawn from so many without replacement; None for independent draws.
    With n = N both are exact, tr Σ with the denominator N − 1.
    """
    if n < 2:
        raise ArgumentError("n", expected="at least 2 examples", got=n, fix="one gradient alone has no spread")
    trace = max((sum_sq_norms - sq_norm_of_sum / n) / (n - 1), 0.0)  # rounding alone makes it negative
    return NoiseEstimate(sq_norm_of_sum / n**2 - trace * (1 / n - (1 / population if population else 0)), trace)


def from_two_batch_sizes(small_sq: float, large_sq: float, small: int, large: int) -> NoiseEstimate:
    """Estimate from E|g_b|² at two batch sizes b < B′.

    |G|² = (B′|g_B′|² − b|g_b|²)/(B′ − b)    tr Σ = (|g_b|² − |g_B′|²)/(1/b − 1/B′)

    small_sq, large_sq: squared norms of the mean gradients of b and B′ examples, or averages of such
    """
    if not 1 <= small < large:
        fix = "give two different sizes"
        raise ArgumentError("small", expected=f"at least 1 and below the large batch, {large}", got=small, fix=fix)
    return NoiseEstimate(
        (large * large_sq - small * small_sq) / (large - small), (small_sq - large_sq) / (1 / small - 1 / large)
    )


class NoiseAverage:
    """Exponential averages of |G|² and tr Σ, apart: m ← β m + (1 − β) x, and m/(1 − β^k) after k samples."""

    def __init__(self, decay: float = 0.95) -> None:
        self.decay = decay_rate("decay", decay, "0.95 remembers about 20 samples")
        self.samples = 0
        self._sums = (0.0, 0.0)

    def add(self, estimate: NoiseEstimate) -> NoiseEstimate:
        """Take in one more pair of estimates; return the averages."""
        self.samples += 1
        new = (estimate.grad_sq_norm, estimate.trace_covariance)
        grad, trace = (self.decay * old + (1 - self.decay) * x for old, x in zip(self._sums, new, strict=True))
        self._sums = grad, trace
        correction = 1 - self.decay**self.samples
        return NoiseEstimate(grad / correction, trace / correction)


def ratio(a: float, b: float) -> float:
    """Return a/b; NaN where b, a squared norm or a curvature, is not resolved; ∞ where it is nothing."""
    return a / b if b > 0 else inf if b == 0 and a > 0 else nan
