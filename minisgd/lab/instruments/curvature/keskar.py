"""How far the loss can rise in a small box around a point (Keskar et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.checks import as_items, within
from minisgd.data.holdout import generator
from minisgd.lab.instruments.curvature.hessian import extremes
from minisgd.lab.instruments.curvature.smooth import (
    Examples,
    Smooth,
    Subject,
    as_smooth,
    examples_of,
    require_finite,
    require_vector,
)
from minisgd.tables import Shown
from minisgd.typing import HostArray, Seed

ITERATIONS = 30
RANDOM_STARTS = 2

ARMIJO = 1e-4
"""The share of the first-order rise that a step must bring."""

LONGEST = 1e10
"""Longest step along the steepest coordinate, in widths of the box: a corner for nearly all the others too."""

MEMORY = 10
"""Points of which the lowest must be surpassed."""

SHORTEST = 1e-10
"""Shortest part of a step that is tried."""

NOTHING = 1e-10
"""A promised rise, relative to 1 + f, that is not worth a step."""


@dataclass(frozen=True)
class Keskar(Shown):
    """φ = 100 (max f(x + z) − f(x)) / (1 + f(x)) over the box |z_i| ≤ ε (|x_i| + 1), in percent (Keskar et al. 2017).

    A maximum found by search is a lower bound of the true one.

    Attributes:
        value: φ.
        epsilon: ε.
        z: Where the maximum was found, (P,).
        gradients: Number of gradients that the search took.
        examples: Number of examples.
    """

    value: float
    epsilon: float
    z: HostArray
    gradients: int
    examples: int | None


def keskar_sharpness(
    network: Subject,
    data: Examples | None = None,
    *,
    epsilon: float = 1e-3,
    seed: Seed = 0,
    directions: tuple[HostArray, ...] | None = None,
    **options: Any,
) -> Keskar:
    """Return Keskar's sharpness φ: the rise of the loss, in percent, in a box about the weights.

    The box is searched by spectral projected gradient ascent (Birgin, Martínez and Raydan 2000) from its centre,
    from the two corners that the top eigenvector points to, and from random corners; the highest value counts.

    Args:
        network: A network with weights, or an ``Objective``.
        data: As for ``Objective``; None with an ``Objective``.
        epsilon: ε; 1e-3 and 5e-4 are customary.
        seed: Seed of the random corners.
        directions: Vectors (P,) whose corners to start from, where the top eigenvector is known or not wanted.
        **options: Further options of ``Objective``.

    Returns:
        φ, and where the maximum was found.

    Raises:
        ArgumentError: ``epsilon`` is out of range; and what ``Objective`` raises.
        DivergedError: Loss or weights are not finite.
    """
    within("(0, inf)", epsilon, "epsilon", "1e-3 and 5e-4 are customary")
    smooth = as_smooth(network, data, seed=seed, **options)
    x, rng = smooth.start, generator(seed)
    box = epsilon * (np.abs(x) + 1)
    f = smooth.value(x)
    require_finite(f, "the loss")
    if directions is None:
        # a corner is all that is wanted of it, so a rough eigenvector will do
        directions = (extremes(smooth, x, seed=seed, tolerance=1e-2, ends=("top",)).top.vector,)
    else:
        given = as_items(directions, "directions", "vectors (P,)", "write directions=(v,)")
        directions = tuple(require_vector(smooth, v, "directions") for v in given)
    starts = [np.zeros_like(x)]
    starts += [sign * np.where(v < 0, -1.0, 1.0) for v in directions for sign in (1, -1)]
    starts += [rng.choice([-1.0, 1.0], x.size) for _ in range(RANDOM_STARTS)]
    climbs = [_climb(smooth, x, box, u) for u in starts]
    highest = max(climbs, key=lambda climb: climb[0])
    rise = max(highest[0] - f, 0.0)
    taken = sum(climb[2] for climb in climbs)
    return Keskar(100 * rise / (1 + f), epsilon, box * highest[1], taken, examples_of(smooth))


def _climb(smooth: Smooth, x: HostArray, box: HostArray, u: HostArray) -> tuple[float, HostArray, int]:
    """Maximise f(x + box·u) over the cube |u_i| ≤ 1 from u on; return the height, where, and gradients taken.

    d = P(u + a ∇) − u with P the projection on the cube;  a = −sᵀs / sᵀy of the last step where f curves down along
    it, as long as allowed where it curves up: then d points to a corner. A step need not rise above the last point,
    only above the lowest of the last few, which is what makes spectral steps fast.
    """

    def look(u: HostArray) -> tuple[float, HostArray]:
        value, gradient = smooth.value_and_gradient(x + box * u)
        return value, box * gradient

    value, slope = look(u)
    highest, heights, taken, a = (value, u), [value], 1, np.inf
    for _ in range(ITERATIONS):
        steepest = float(np.abs(slope).max()) or 1.0
        d = np.clip(u + min(a, LONGEST / steepest) * slope, -1, 1) - u
        rise = float(d @ slope)
        if rise <= NOTHING * (1 + abs(value)):
            break
        step, there = 1.0, -np.inf
        while step > SHORTEST:
            there, slope_there = look(u + step * d)
            taken += 1
            if there >= min(heights[-MEMORY:]) + ARMIJO * step * rise:
                break
            step /= 2
        else:
            break
        bend = step * float(d @ (slope_there - slope))
        a = np.inf if bend >= 0 else step**2 * float(d @ d) / -bend
        u, slope = u + step * d, slope_there
        heights.append(there)
        highest = max(highest, (there, u), key=lambda seen: seen[0])
    return *highest, taken
