"""The Hessian of the loss, without ever forming it: products, extreme eigenvalues, trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.checks import positive
from minisgd.data.holdout import generator
from minisgd.errors import ArgumentError
from minisgd.lab.instruments.curvature.lanczos import End, Extremes, lanczos
from minisgd.lab.instruments.curvature.smooth import Examples, Smooth, Subject, as_smooth, examples_of, require_finite
from minisgd.optim.checks import positive as positive_number
from minisgd.tables import Shown
from minisgd.typing import HostArray, Seed

TOLERANCE = 1e-6
PRODUCTS = 300
SAMPLES = 100
EXACT_PARAMETERS = 1024
"""Up to so many parameters the trace is exact, unless a number of samples is asked for."""


def hessian_vector(network: Subject, data: Examples | None, v: HostArray, **options: Any) -> HostArray:
    """Return H v at the network's weights: the second derivative of the mean loss along v, exact to rounding.

    Args:
        network: A network with weights, or an ``Objective``.
        data: As for ``Objective``; None with an ``Objective``.
        v: The vector, (P,).
        **options: Further options of ``Objective``.

    Returns:
        The product, (P,).

    Raises:
        ShapeError: v is not a vector of R^P.
        ArgumentError: What ``Objective`` raises.
    """
    smooth = as_smooth(network, data, **options)
    return smooth.hessian_vector(smooth.start, v)


def hessian_eigenvalues(
    network: Subject,
    data: Examples | None = None,
    *,
    seed: Seed = 0,
    tolerance: float = TOLERANCE,
    products: int = PRODUCTS,
    **options: Any,
) -> Extremes:
    """Return the largest and the smallest eigenvalue of the Hessian, with vectors and residuals, by Lanczos.

    Args:
        network: A network with weights, or an ``Objective``.
        data: As for ``Objective``; None with an ``Objective``.
        seed: Seed of the random start.
        tolerance: Of the residuals, relative to the largest |λ|.
        products: Hessian-vector products at most; ``converged`` is False for a pair that needs more.
        **options: Further options of ``Objective``.

    Returns:
        The two eigenpairs.

    Raises:
        ArgumentError: What ``Objective`` raises.
        DivergedError: Weights or products are not finite.
    """
    smooth = as_smooth(network, data, seed=seed, **options)
    return extremes(smooth, smooth.start, seed=seed, tolerance=tolerance, products=products)


def extremes(
    smooth: Smooth,
    w: HostArray,
    *,
    seed: Seed = 0,
    tolerance: float = TOLERANCE,
    products: int = PRODUCTS,
    ends: tuple[End, ...] = ("top", "bottom"),
    near: HostArray | None = None,
) -> Extremes:
    """Return the ends of the spectrum of H(w).

    near (P,): a vector that the eigenvectors wanted are close to; a tenth of its length is added at random, so that
    the start has a part in all the others
    """

    def product(v: HostArray) -> HostArray:
        hv = smooth.hessian_vector(w, v)
        require_finite(hv, "the Hessian's product with a vector")
        return hv

    tolerance = positive_number("tolerance", tolerance, "1e-6 is customary")
    start = generator(seed).normal(size=smooth.parameters)
    if near is not None:
        start = near + 0.1 * start / np.linalg.norm(start)
    return lanczos(product, start, tolerance=tolerance, most=positive(products, "products"), ends=ends)


@dataclass(frozen=True)
class HessianTrace(Shown):
    """tr H as Hutchinson's estimator gives it.

    Attributes:
        value: Mean over the samples.
        standard_error: Of that mean; 0 where the trace is exact.
        samples: Number of samples.
        examples: Number of examples; None for a function that has none.
    """

    value: float
    standard_error: float
    samples: int
    examples: int | None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval, value ± 1.96 standard errors."""
        return self.value - 1.96 * self.standard_error, self.value + 1.96 * self.standard_error


def default_samples(parameters: int) -> int:
    """Return for how many products a trace is worth: all of them where they are few."""
    return parameters if parameters <= EXACT_PARAMETERS else SAMPLES


def hutchinson_trace(
    network: Subject, data: Examples | None = None, *, samples: int | None = None, seed: Seed = 0, **options: Any
) -> HessianTrace:
    """Return the trace of the Hessian: tr H = E[zᵀ H z] for z of independent random signs (Hutchinson 1990).

    The variance is 2 Σ_{i≠j} H_ij², to which the diagonal adds nothing. With as many samples as parameters, the unit
    vectors take the place of random signs and the trace is exact.

    Args:
        network: A network with weights, or an ``Objective``.
        data: As for ``Objective``; None with an ``Objective``.
        samples: One Hessian-vector product each; by default 100, or P for up to 1024 parameters.
        seed: Seed of the random signs.
        **options: Further options of ``Objective``.

    Returns:
        The trace with its standard error.

    Raises:
        ArgumentError: Fewer than two samples; and what ``Objective`` raises.
    """
    smooth = as_smooth(network, data, seed=seed, **options)
    p, w = smooth.parameters, smooth.start
    samples = default_samples(p) if samples is None else samples
    if positive(samples, "samples") >= p:
        diagonal = np.array([smooth.hessian_vector(w, np.eye(1, p, i)[0])[i] for i in range(p)])
        require_finite(diagonal, "the Hessian's product with a vector")
        return HessianTrace(float(diagonal.sum()), 0.0, p, examples_of(smooth))
    if samples < 2:
        raise ArgumentError("samples", expected="at least 2, for an error to be known", got=samples, fix="use 100")
    rng = generator(seed)
    each = np.empty(samples)
    for i in range(samples):
        z = rng.choice([-1.0, 1.0], p)
        each[i] = z @ smooth.hessian_vector(w, z)
    require_finite(each, "the Hessian's product with a vector")
    error = float(each.std(ddof=1) / np.sqrt(samples))
    return HessianTrace(float(each.mean()), error, samples, examples_of(smooth))
