"""What the page descends: a line through points, and a plane through the weights of a real network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.lab.instruments import Objective
from minisgd.lab.instruments.examples.gradients import ELEMENTS, gradients_of
from minisgd.lab.instruments.examples.subject import Examples
from minisgd.lab.instruments.landscape.directions import random_direction
from minisgd.typing import Generator, HostArray, Seed

POINTS = 64
"""Examples of the line."""

PLACES = 41
"""Places along either axis of the plane."""

REACH = 1.5
"""How far the plane goes to either side, in lengths of the first filter-normalised direction."""

SAMPLED = 512
"""Examples that the noise on the plane is measured on."""


@dataclass(frozen=True)
class Line:
    """ŷ = w₁ x₁ + w₂ x₂ with f(w) = 1/N Σ (ŷ_i − y_i)²: everything about it is a formula.

    ∇f = 2/N Σ (ŷ_i − y_i) x_i, and H = 2/N Σ x_i x_iᵀ whatever w.

    Attributes:
        x: Inputs, (N, 2).
        y: Targets, (N,).
        start: Where descent begins, (2,).
    """

    x: HostArray
    y: HostArray
    start: tuple[float, float]

    @staticmethod
    def draw(seed: Seed = 0) -> Line:
        """Draw points whose inputs are correlated, so that the valley of f is narrow and aslant."""
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(POINTS, 2)) @ np.array([[1.0, 0.55], [0.0, 0.35]])
        y = x @ np.array([1.0, -0.5]) + 0.4 * rng.normal(size=POINTS)
        return Line(x, y, (-1.5, 1.5))

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers of the page."""
        best = np.linalg.lstsq(self.x, self.y, rcond=None)[0]
        span = 1.25 * max(abs(np.array(self.start) - best))
        return {
            "kind": "line",
            "x": np.round(self.x, 6).tolist(),
            "y": np.round(self.y, 6).tolist(),
            "start": list(self.start),
            "center": best.tolist(),
            "span": float(span),
        }


@dataclass(frozen=True)
class Plane:
    """f on w + a e₁ + b e₂, with e₁, e₂ orthonormal, so that distances and learning rates are those of the weights.

    The directions are drawn at random and filter-normalised (Li et al. 2018, section 4), then made orthonormal. Descent
    is that of the engine, projected on the plane; its noise has the covariance of the examples' gradients there.

    Attributes:
        reach: The largest |a| and |b|.
        loss: f at each place, (A, A), a along the first axis.
        slope: (∂f/∂a, ∂f/∂b) at each place, (A, A, 2).
        noise: Covariance of one example's gradient at the centre, (2, 2).
        examples: N.
    """

    reach: float
    loss: HostArray
    slope: HostArray
    noise: HostArray
    examples: int

    @staticmethod
    def around(f: Objective, seed: Seed = 0, places: int = PLACES) -> Plane:
        """Evaluate a network's loss and gradient on a plane around its weights.

        seed: of the directions, and of the examples whose gradients give the noise   places: along either axis
        """
        rng = np.random.default_rng(seed)
        first, second = random_direction(f, rng), random_direction(f, rng)
        axes = np.linalg.qr(np.stack([first, second], axis=1))[0].T  # (2, P), orthonormal
        reach = REACH * float(np.linalg.norm(first))
        at = np.linspace(-reach, reach, places)
        loss, slope = np.empty((places, places)), np.empty((places, places, 2))
        for i, a in enumerate(at):
            for j, b in enumerate(at):
                loss[i, j], gradient = f.value_and_gradient(f.start + a * axes[0] + b * axes[1])
                slope[i, j] = axes @ gradient
        return Plane(reach, loss, slope, _noise(f, axes, rng), len(f.data))

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers of the page, to six digits."""
        return {
            "kind": "plane",
            "reach": self.reach,
            "loss": _plain(self.loss),
            "slope": _plain(self.slope),
            "noise": _plain(self.noise),
            "examples": self.examples,
            "start": [0.8 * self.reach, 0.8 * self.reach],
            "center": [0.0, 0.0],
            "span": self.reach,
        }


def _noise(f: Objective, axes: HostArray, rng: Generator) -> HostArray:
    """Return the covariance of the examples' gradients on the plane, (2, 2).  axes (2, P)"""
    examples = Examples.of(f.network, f.data, f.loss)
    rows = np.sort(rng.permutation(len(examples))[:SAMPLED])
    parts = np.array_split(rows, max(1, len(rows) * axes.shape[1] // ELEMENTS))
    projected = np.concatenate([gradients_of(examples, part) @ axes.T for part in parts])  # (n, 2)
    return np.cov(projected.T)


def _plain(values: HostArray) -> Any:
    finite = np.where(np.isfinite(values), values, np.finfo(np.float32).max)
    digits = 6 - np.ceil(np.log10(np.maximum(np.abs(finite), 1e-12))).astype(int)
    return np.vectorize(lambda value, d: round(float(value), int(d)))(finite, digits).tolist()
