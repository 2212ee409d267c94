"""The loss on a plane through parameter space."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.checks import as_items
from minisgd.data.holdout import generator
from minisgd.errors import ArgumentError
from minisgd.lab import plots
from minisgd.lab.instruments.curvature.smooth import Examples, Smooth, Subject, as_smooth, examples_of, require_vector
from minisgd.lab.instruments.landscape.directions import hold_mixture, points_of, random_direction, require_direction
from minisgd.lab.instruments.landscape.line import places
from minisgd.lab.instruments.landscape.picture import caption_of, draw_plane
from minisgd.lab.page import save
from minisgd.nn import Network
from minisgd.optim.checks import positive as positive_number
from minisgd.tables import Shown
from minisgd.typing import HostArray, Seed

MARGIN = 0.25
"""Room around the points of a plane, as a share of what they span."""


@dataclass(frozen=True)
class LossPlane(Shown):
    """The loss at w + a d₁ + b d₂.

    Attributes:
        a: Coordinates along d₁, (A,).
        b: Coordinates along d₂, (B,).
        loss: The loss, (A, B); not finite where the network overflows.
        points: Coordinates (a, b) of the networks on the plane, the first at (0, 0).
        path: Coordinates of a training run's path projected on the plane, or empty.
        lengths: |d₁| and |d₂|.
        kind: "random" filter-normalised directions, "chosen" ones, or "through" three networks.
        examples: Number of examples.
    """

    a: HostArray
    b: HostArray
    loss: HostArray
    points: tuple[tuple[float, float], ...]
    path: tuple[tuple[float, float], ...]
    lengths: tuple[float, float]
    kind: str
    examples: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, null where a loss is not finite."""
        return {
            "a": self.a.tolist(),
            "b": self.b.tolist(),
            "loss": [[value if np.isfinite(value) else None for value in row] for row in self.loss.tolist()],
            "points": [list(point) for point in self.points],
            "path": [list(point) for point in self.path],
            "lengths": list(self.lengths),
            "kind": self.kind,
            "examples": self.examples,
        }

    def picture(self) -> str:
        """Return the contours, where matplotlib draws them."""
        if find_spec("matplotlib") is None:
            return ""
        return f'<img width="560" src="data:image/png;base64,{b64encode(plots.png(draw_plane(self))).decode()}"/>'

    def save(self, path: str | Path) -> Path:
        """Write the numbers as JSON, or a picture where the path ends in .png or .svg, or a page with it (.html).

        Args:
            path: The file to write.

        Returns:
            The path.

        Raises:
            OutputError: The file cannot be written.
            MissingExtraError: A picture or page is asked for, and matplotlib or jinja2 is not installed.
        """
        return save(path, self.to_dict(), lambda: draw_plane(self), caption_of("plane", self.loss, self.examples))


def loss_plane(
    network: Subject,
    data: Examples | None = None,
    *,
    through: tuple[Network | HostArray, Network | HostArray] | None = None,
    directions: tuple[HostArray, HostArray] | None = None,
    path: HostArray | None = None,
    span: float | None = None,
    points: int = 31,
    seed: Seed = 0,
    **options: Any,
) -> LossPlane:
    """Evaluate the loss on a plane: around a network, or through three of them.

    By default around the network, in two random directions that are filter-normalised (Li et al. 2018, section 4),
    a and b from −1 to 1. Takes one forward pass over all examples at each of points² places.

    Args:
        network: A network with weights, or an ``Objective``.
        data: As for ``Objective``; None with an ``Objective``.
        through: Two more networks, or their parameters (P,). d₁ leads to the first; d₂ is orthogonal to it and as long,
            so that distances are true to scale (Garipov et al. 2018). Running statistics are mixed like the weights.
        directions: Two vectors (P,), not parallel.
        path: Weights to project on the plane, (K, P), as recorded by ``Trajectory``.
        span: Extent of the plane on either side of the network; by default 1, or what the points and the path need.
        points: Places along either axis.
        seed: Seed of the random directions.
        **options: Further options of ``Objective``.

    Returns:
        The plane.

    Raises:
        ArgumentError: Directions are zero or parallel; and what ``Objective`` raises.
        ShapeError: A network or a direction has another layout.
    """
    smooth = as_smooth(network, data, seed=seed, **options)
    if through is not None and directions is not None:
        raise ArgumentError("directions", expected="left out with through", got="both", fix="choose one of them")
    if span is not None:
        span = positive_number("span", span, "for example 1.0")
    weights, statistics = points_of(smooth, [] if through is None else _pair(through, "through"))
    w = weights[0]
    if through is not None:
        d1 = require_direction(smooth, weights[1] - w, "through[0] - network")
        d2 = _orthogonal(d1, require_direction(smooth, weights[2] - w, "through[1] - network"))
        d2 *= np.linalg.norm(d1) / np.linalg.norm(d2)
        kind = "through"
    elif directions is not None:
        d1, d2 = (require_direction(smooth, d, "directions") for d in _pair(directions, "directions"))
        _orthogonal(d1, d2)
        kind = "chosen"
    else:
        rng = generator(seed)
        d1, d2 = random_direction(smooth, rng), random_direction(smooth, rng)
        _orthogonal(d1, d2)  # a network may have a single weight
        kind = "random"
    axes = np.stack([d1, d2])
    at = _coordinates(axes, np.stack(weights) - w)
    way = np.zeros((0, 2)) if path is None else _coordinates(axes, _points(smooth, path) - w)
    reach = [_reach(np.r_[at[:, i], way[:, i]], span) for i in (0, 1)]
    if through is not None:
        reach = _to_scale(reach)
    a, b = (places(each, points) for each in reach)
    shares = _barycentric(at) if through is not None else None
    loss = np.empty((points, points))
    for i, j in np.ndindex(loss.shape):
        if shares is not None:
            hold_mixture(smooth, shares(a[i], b[j]), statistics)
        loss[i, j] = smooth.value(w + a[i] * d1 + b[j] * d2)
    return LossPlane(
        a=a,
        b=b,
        loss=loss,
        points=tuple((float(x), float(y)) for x, y in at),
        path=tuple((float(x), float(y)) for x, y in way),
        lengths=(float(np.linalg.norm(d1)), float(np.linalg.norm(d2))),
        kind=kind,
        examples=examples_of(smooth),
    )


def _pair(given: Any, argument: str) -> list[Any]:
    pair = as_items(given, argument, "two", f"write {argument}=(first, second)")
    if len(pair) != 2:
        raise ArgumentError(argument, expected="two", got=len(pair), fix=f"write {argument}=(first, second)")
    return pair


def _points(smooth: Smooth, path: Any) -> HostArray:
    """Return the points of a path, (K, P)."""
    points = as_items(path, "path", "points (K, P)", "pass trajectory.weights")
    if not points:
        raise ArgumentError("path", expected="at least one point", got="none", fix="leave it out")
    return np.stack([require_vector(smooth, point, "path") for point in points])


def _orthogonal(d1: HostArray, d2: HostArray) -> HostArray:
    """Return the part of d2 that is orthogonal to d1; refuse parallel directions, which span no plane."""
    rest: HostArray = d2 - (d2 @ d1) / (d1 @ d1) * d1
    if np.linalg.norm(rest) <= 1e-9 * np.linalg.norm(d2):
        fix = "use ms.loss_line instead"
        raise ArgumentError(
            "directions", expected="two directions that are not parallel", got="two that are parallel", fix=fix
        )
    return rest


def _coordinates(axes: HostArray, moved: HostArray) -> HostArray:
    """Return the coordinates (K, 2) of the points of the plane nearest to these.  axes (2, P)   moved (K, P)"""
    found: HostArray = np.linalg.solve(axes @ axes.T, axes @ moved.T).T
    return found


def _reach(at: HostArray, span: float | None) -> tuple[float, float]:
    """Return the range of an axis that shows the points at (K,)."""
    if span is not None:
        return -span, span
    low, high = float(at.min()), float(at.max())
    if low == high:
        return -1.0, 1.0
    room = MARGIN * (high - low)
    return low - room, high + room


def _to_scale(reach: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Widen the shorter range, so that both axes have the same scale."""
    half = max(high - low for low, high in reach) / 2
    return [((low + high) / 2 - half, (low + high) / 2 + half) for low, high in reach]


def _barycentric(at: HostArray) -> Any:
    """Return the function from (a, b) to the shares (3,) of three points, which sum to 1.  at (3, 2)"""
    corners = np.vstack([at.T, np.ones(3)])
    return lambda a, b: np.linalg.solve(corners, np.array([a, b, 1.0]))
