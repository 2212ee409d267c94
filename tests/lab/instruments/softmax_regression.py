"""Softmax regression at zero weights, whose gradients and Hessian are known in closed form.

p = 1/C for every class, so with a = (x, 1), δ_i = 1/C − onehot(y_i) and K = (I − 11ᵀ/C)/C:

g_i = a_i δ_iᵀ    G = ā/C − 1/N Σ_{y=c} a    E|g|² = (1 − 1/C) mean|a|²    H = K ⊗ AᵀA/N
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import minisgd as ms
from minisgd.typing import HostArray


def at_zero(data: ms.Dataset) -> ms.Network:
    """Return the network in float64, its weights zero."""
    return ms.model("linear", data.input_shape, data.n_outputs).build(
        data.input_shape, dtype="float64", init=ms.init.Zeros()
    )


@dataclass(frozen=True)
class ClosedForm:
    """The noise of the gradient over N examples, without computing one."""

    grad_sq_norm: float
    trace_covariance: float
    gradient_curvature: float
    noise_curvature: float
    lambda_max: float
    gradient: HostArray

    @classmethod
    def of(cls, data: ms.Dataset) -> ClosedForm:
        x = data.train.x.reshape(len(data), -1) * data.scale
        a, y, c = np.c_[x, np.ones(len(x))], data.train.y, data.n_classes
        n = len(a)
        G = a.mean(0)[:, None] / c - np.stack([a[y == k].sum(0) for k in range(c)], axis=1) / n
        grad = float((G**2).sum())
        trace = ((1 - 1 / c) * float((a**2).sum(1).mean()) - grad) * n / (n - 1)
        second, K = a.T @ a / n, (np.eye(c) - 1 / c) / c
        along = float(np.trace(G.T @ second @ G @ K))
        delta = 1 / c - np.eye(c)[y]
        of_each = np.einsum("ij,jk,ik->i", a, second, a, optimize=True) * np.einsum("ic,ck,ik->i", delta, K, delta)
        noise = (float(of_each.sum()) - n * along) / (n - 1)
        return cls(grad, trace, along, noise, float(np.linalg.eigvalsh(second)[-1]) / c, G)
