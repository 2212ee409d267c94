"""Extreme eigenvalues of a symmetric matrix that is only known by its products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from minisgd.typing import HostArray

End: TypeAlias = Literal["top", "bottom"]


@dataclass(frozen=True)
class RitzPair:
    """An approximate eigenpair: |A y − θ y| = residual, so an eigenvalue of A lies within residual of θ.

    value θ   vector y (P,) of norm 1   converged: the residual is as small as was asked for
    """

    value: float
    vector: HostArray
    residual: float
    converged: bool


@dataclass(frozen=True)
class Extremes:
    """The largest and the smallest eigenvalue, and how many products with A they took."""

    top: RitzPair
    bottom: RitzPair
    products: int


def lanczos(
    product: Callable[[HostArray], HostArray],
    start: HostArray,
    *,
    tolerance: float,
    most: int,
    ends: tuple[End, ...] = ("top", "bottom"),
) -> Extremes:
    """Find both ends of the spectrum of a symmetric A by Lanczos' recurrence with full reorthogonalisation.

    A q_j = β_{j−1} q_{j−1} + α_j q_j + β_j q_{j+1}.  With T = tridiag(α, β) = S Θ Sᵀ and Q = (q_1 … q_m) the Ritz
    vectors are y = Q s, and |A y − θ y| = β_m |s_m|  (Parlett 1998, chapter 13). Every q is made orthogonal to all
    before it, twice, which is enough (Kahan and Parlett); without that, found eigenvalues come back as ghosts.

    product: v ↦ A v, (P,)   start (P,): a random vector, so that it has a part in every eigenspace
    tolerance: of the residual at the wanted ends, relative to the largest |θ|. The error of the eigenvalue is at
    most the residual, and about residual²/gap where it stands alone
    most: products at most, and vectors of R^P in memory

    Stops when the wanted ends have converged, or when the Krylov space is A-invariant and so holds them exactly.
    """
    p = start.size
    most = min(most, p)
    basis = np.empty((most, p))
    alpha, beta = np.zeros(most), np.zeros(most)
    q = start / np.linalg.norm(start)
    look = 1
    for m in range(1, most + 1):
        basis[m - 1] = q
        q = product(q)
        alpha[m - 1] = basis[m - 1] @ q
        for _ in range(2):
            q = q - (basis[:m] @ q) @ basis[:m]
        beta[m - 1] = np.linalg.norm(q)
        scale = np.abs(alpha[:m]).max() + beta[:m].max()
        invariant = beta[m - 1] <= scale * p * np.finfo(float).eps
        if invariant or m == most or m >= look:
            look = m + 5 + m // 10
            found = _extremes(basis[:m], alpha[:m], beta[:m], tolerance)
            if invariant or m == most or all(getattr(found, end).converged for end in ends):
                break
        q /= beta[m - 1]
    return found


def _extremes(basis: HostArray, alpha: HostArray, beta: HostArray, tolerance: float) -> Extremes:
    """Return the outermost Ritz pairs.  basis (m, P)   alpha, beta (m,)"""
    tridiagonal = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)
    theta, s = np.linalg.eigh(tridiagonal)
    scale = float(np.abs(theta).max())
    rounding = scale * float(np.finfo(float).eps)

    def pair(i: int) -> RitzPair:
        residual = float(beta[-1] * abs(s[-1, i]))
        return RitzPair(float(theta[i]), s[:, i] @ basis, max(residual, rounding), residual <= tolerance * scale)

    return Extremes(pair(-1), pair(0), len(alpha))
