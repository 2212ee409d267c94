"""The noisy quadratic model: risk ½ Σ h θ², gradient h θ + noise of variance c / B (Zhang et al. 2019).

Two independent roads to E[θ²] after t steps:

* `recursion`, the second moments of SGD and heavy ball written down;
* `Responses`, through a real optimizer. It is linear in the gradients, so that
  θ_t = Φ_t θ_0 + Σ_k K_k ε_{t−k} and E[θ_t²] = Φ_t² θ_0² + (c / B) Σ_{k ≤ t} K_k²: one replica runs from
  θ_0 = 1 without noise to give Φ, one from 0 after a single unit of noise to give K. No random number
  is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minisgd.optim import SGD
from tests.optim.optimizer_table import bench, vector


def recursion(h, c, lr, momentum, batch_size, theta_squared=1.0) -> Iterator[np.ndarray]:
    """Yield E[θ²] after 1, 2, … steps of v ← μ v + g, θ ← θ − lr v."""
    tt, tv, vv = theta_squared * np.ones_like(h), np.zeros_like(h), np.zeros_like(h)
    while True:
        vv = momentum**2 * vv + 2 * momentum * h * tv + h**2 * tt + c / batch_size
        tv_half = momentum * tv + h * tt
        tt, tv = tt - 2 * lr * tv_half + lr**2 * vv, tv_half - lr * vv
        yield tt


class Responses:
    """Φ_t and Σ K_k² of SGD at several learning rates, both (L, d), advanced a step at a time."""

    def __init__(self, h: np.ndarray, lrs: np.ndarray, momentum: float) -> None:
        self.h, self.rates = h, len(lrs)
        both = np.concatenate([lrs, lrs])[:, None]
        self.bench = bench(SGD(1.0, momentum=momentum), vector(len(h)), lead=(len(both),), lr=both)
        self.phi, self.k = self.bench.w[: len(lrs)], self.bench.w[len(lrs) :]
        self.phi[:] = 1.0
        self.bench.g[len(lrs) :] = 1.0  # the unit of noise
        self.sum_k2 = np.zeros_like(self.k)

    def step(self) -> None:
        if self.sum_k2.any():
            np.multiply(self.h, self.bench.w, out=self.bench.g)
        else:
            np.multiply(self.h, self.phi, out=self.bench.g[: self.rates])
        self.bench.program.replay()
        self.sum_k2 += self.k**2
