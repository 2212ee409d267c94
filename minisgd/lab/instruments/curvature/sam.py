"""How far the loss rises one step up the gradient (Foret et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.checks import within
from minisgd.lab.instruments.curvature.hessian import extremes
from minisgd.lab.instruments.curvature.smooth import (
    Examples,
    Subject,
    as_smooth,
    examples_of,
    require_finite,
    require_vector,
)
from minisgd.tables import Shown
from minisgd.typing import HostArray, Seed

STATIONARY = 1e-12
"""A gradient of this norm, relative to 1 + L, is rounding: its direction says nothing."""


@dataclass(frozen=True)
class SAM(Shown):
    """L(w + ρ d) − L(w) (Foret et al. 2021).

    Attributes:
        value: The rise of the loss.
        rho: ρ.
        along: What d is: "gradient" or, at a stationary point, "top eigenvector".
        examples: Number of examples.
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

    At a stationary point g is only rounding error; there the direction is that of the top eigenvector, with the steeper
    of its two signs.

    Args:
        network: A network with weights, or an ``Objective``.
        data: As for ``Objective``; None with an ``Objective``.
        rho: ρ; 0.05 is customary.
        seed: Seed of the search for the top eigenvector.
        top: The top eigenvector, (P,), where it is known.
        **options: Further options of ``Objective``.

    Returns:
        The rise, and its direction.

    Raises:
        ArgumentError: ``rho`` is out of range; and what ``Objective`` raises.
        DivergedError: Loss or weights are not finite.
    """
    within("(0, inf)", rho, "rho", "0.05 is customary")
    smooth = as_smooth(network, data, seed=seed, **options)
    w = smooth.start
    if top is not None:
        top = require_vector(smooth, top, "top")
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
