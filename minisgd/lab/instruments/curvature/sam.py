"""How far the loss rises one step up the gradient (Foret et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.lab.instruments.curvature.hessian import extremes
from minisgd.lab.instruments.curvature.smooth import Examples, Subject, as_smooth, examples_of, require_finite
from minisgd.nn.layer import within
from minisgd.typing import HostArray, Seed

STATIONARY = 1e-12
"""A gradient of this norm, relative to 1 + L, is rounding: its direction says nothing."""


@dataclass(frozen=True)
class SAM:
    """L(w + ρ d) − L(w).

    value: the rise   rho: ρ   along: what d is, "gradient" or, at a stationary point, "top eigenvector"
    examples: N
    """

    value: float
    rho: float
    along: str
    examples: int | None


def sam_sharpness(
    network: Subject,
    data: Examples | None = None,
    *,
    rho: float = 0.05,
    seed: Seed = 0,
    top: HostArray | None = None,
    **options: Any,
) -> SAM:
    """Return SAM's sharpness L(w + ρ g/|g|) − L(w), the rise of the loss over the ball of radius ρ to first order.

    At a stationary point g is nothing but rounding; there the direction is that of the top eigenvector, whichever
    of its two signs is steeper.

    network, data, options: as for ``Objective``; or an Objective alone   rho: 0.05 is customary
    top (P,): the top eigenvector, where it is known

    Errors: those of ``Objective``; DivergedError where loss or weights are not finite.
    """
    within("(0, inf)", rho, "rho", "0.05 is customary")
    smooth = as_smooth(network, data, seed=seed, **options)
    w = smooth.start
    value, gradient = smooth.value_and_gradient(w)
    require_finite(value, "the loss")
    norm = float(np.linalg.norm(gradient))
    require_finite(norm, "the gradient")
    if norm > STATIONARY * (1 + abs(value)):
        return SAM(smooth.value(w + rho * gradient / norm) - value, rho, "gradient", examples_of(smooth))
    if top is None:
        top = extremes(smooth, w, seed=seed, ends=("top",)).top.vector
    rise = max(smooth.value(w + sign * rho * top) for sign in (1, -1)) - value
    return SAM(rise, rho, "top eigenvector", examples_of(smooth))
