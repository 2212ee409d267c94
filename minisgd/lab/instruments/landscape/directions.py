"""Directions in parameter space along which losses can be compared."""

from __future__ import annotations

import numpy as np

from minisgd.errors import ArgumentError, ShapeError
from minisgd.lab.instruments.curvature.smooth import Smooth, require_vector
from minisgd.lab.instruments.objective import Objective
from minisgd.nn import Network
from minisgd.nn.layout import Layout
from minisgd.typing import Generator, HostArray


def filter_normalised(layout: Layout, w: HostArray, d: HostArray) -> HostArray:
    """Return d with every filter as long as that of w, and nothing for biases and normalisation (Li et al. 2018).

    d_ij ← d_ij |w_ij| / |d_ij|, filter j of layer i: the weights that lead to one output, W[…, j].

    ReLU networks do not change when a layer is multiplied by c and the next one divided by it; lengths in these
    directions do not change either, so that pictures of two networks can be compared.  w, d, result (P,)
    """
    result = np.zeros_like(d)
    for segment in layout:
        if segment.kind == "weight":
            weights, part = segment.view(w), segment.view(d)
            axes = tuple(range(part.ndim - 1))
            norms = [np.sqrt(np.square(a).sum(axes)) for a in (weights, part)]
            segment.view(result)[...] = part * norms[0] / np.maximum(norms[1], np.finfo(float).tiny)
    return result


def random_direction(smooth: Smooth, rng: Generator) -> HostArray:
    """Return a random direction, (P,): filter-normalised for a network, of length 1 for other functions."""
    w = smooth.start
    d: HostArray = rng.standard_normal(len(w))
    if not isinstance(smooth, Objective):
        return d / float(np.linalg.norm(d))
    d = filter_normalised(smooth.network.layout, w, d)
    if not d.any():
        raise ArgumentError(
            "network",
            expected="a network whose weights are not all zero, as they set the length of a direction",
            got="zeros",
            fix="train it, or pass a direction of your own",
        )
    return d


def require_direction(smooth: Smooth, d: HostArray, argument: str) -> HostArray:
    """Return a direction as float64, (P,); refuse one of another shape, one that is zero, or not finite."""
    d = require_vector(smooth, d, argument)
    if not np.isfinite(d).all() or not d.any():
        fix = "choose another"
        raise ArgumentError(
            argument, expected="finite and not zero", got=f"a vector of norm {np.linalg.norm(d):g}", fix=fix
        )
    return d


def points_of(smooth: Smooth, others: list[Network | HostArray]) -> tuple[list[HostArray], list[HostArray]]:
    """Return parameters (P,) and running statistics (S,) of the start and of other points, in this order.

    Raises:
        ShapeError: A network has another layout.
    """
    weights, statistics = [smooth.start], [_statistics(smooth)]
    for other in others:
        if isinstance(other, Network):
            other.require_built()
            mine = smooth.network.layout if isinstance(smooth, Objective) else None
            if (
                other.lead
                or mine is None
                or [(s.name, s.shape) for s in other.layout] != [(s.name, s.shape) for s in mine]
            ):
                raise ShapeError(
                    "to",
                    expected="a single network with the same layers as the first",
                    got=f"one of {other.n_parameters} parameters",
                    fix="train both from the same description",
                )
            weights.append(other.ops.to_host(other.vector).astype(np.float64))
            statistics.append(other.ops.to_host(other.statistics).astype(np.float64))
        else:
            point = require_vector(smooth, other, "to")
            weights.append(weights[0] + require_direction(smooth, point - weights[0], "to"))
            statistics.append(statistics[0])
    return weights, statistics


def _statistics(smooth: Smooth) -> HostArray:
    return smooth.statistics if isinstance(smooth, Objective) else np.zeros(0)


def hold_mixture(smooth: Smooth, shares: HostArray, statistics: list[HostArray]) -> None:
    """Σ share · statistics, the shares clipped to [0, 1] and brought to a sum of 1: a variance is never negative.

    shares (K,) of the points   statistics K arrays (S,)
    """
    if isinstance(smooth, Objective) and statistics[0].size:
        inside = np.clip(shares, 0, 1)
        smooth.hold((inside / inside.sum()) @ np.stack(statistics))
