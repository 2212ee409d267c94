"""Functions whose curvature is known in full, as subjects for the instruments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import minisgd as ms
from minisgd.lab.instruments.objective import Objective
from minisgd.typing import HostArray


@dataclass
class Quadratic:
    """f(w) = ½ wᵀ H w.  H (P, P) symmetric   at (P,): the point to look at"""

    H: HostArray
    at: HostArray

    @property
    def parameters(self) -> int:
        return len(self.at)

    @property
    def start(self) -> HostArray:
        return self.at.copy()

    def value(self, w: HostArray) -> float:
        return 0.5 * float(w @ self.H @ w)

    def value_and_gradient(self, w: HostArray) -> tuple[float, HostArray]:
        return self.value(w), self.H @ w

    def hessian_vector(self, w: HostArray, v: HostArray) -> HostArray:
        product: HostArray = self.H @ v
        return product


def quadratic(*eigenvalues: float, at: Any = None, seed: int | None = None) -> Quadratic:
    """Return a quadratic with these eigenvalues, along the axes or, with a seed, along random directions."""
    p, H = len(eigenvalues), np.diag(np.array(eigenvalues, float))
    if seed is not None:
        axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(p, p)))[0]
        H = axes @ H @ axes.T
    return Quadratic(H, np.ones(p) if at is None else np.asarray(at, float))


def softmax_regression(data: ms.Dataset | None = None) -> tuple[Objective, HostArray]:
    """Return softmax regression at zero weights on data, the digits if none, and the eigenvalues of its Hessian.

    H = (1/C)(I − 11ᵀ/C) ⊗ XᵀX/N: those of XᵀX/N, divided by C, C − 1 times each; and as many zeros as features.
    """
    data = data or ms.datasets.digits(validation=0.0)
    network = ms.model("linear", data.input_shape, 10).build(data.input_shape)
    network.vector[...] = 0
    x = np.c_[data.train.x.reshape(len(data), -1) * data.scale, np.ones(len(data))]  # the bias is one more feature
    features = np.linalg.eigvalsh(x.T @ x / len(x)) / 10
    return Objective(network, data), np.sort(np.r_[np.tile(features, 9), np.zeros(x.shape[1])])


def dense_hessian(objective: Objective) -> HostArray:
    """Return H (P, P), column by column."""
    w = objective.start
    return np.stack([objective.hessian_vector(w, e) for e in np.eye(objective.parameters)], axis=1)
