"""How far the gradient of a batch is from that of all training examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.lab import FULL, Lab
from minisgd.typing import HostArray

BATCHES = 16
"""Batches drawn at each batch size and seed."""


@dataclass(frozen=True)
class GradientError:
    """Root mean square of |g − G|/|G|, G the gradient of all N examples.  batch_sizes (K,), the last N; error (K, S)"""

    batch_sizes: tuple[int, ...]
    error: HostArray


@dataclass(frozen=True)
class MeasureGradientError(Experiment[GradientError]):
    """Draw batches without replacement at the fresh weights of every seed, all examples in a new order among them."""

    @property
    def name(self) -> str:
        return "sgd-gradient-error"

    def seconds(self, lab: Lab) -> float:
        pilot = lab.pilot()
        return len(lab.seeds) * BATCHES * pilot.replica_step_seconds / pilot.batch_size * sum(self._sizes(lab))

    def run(self, lab: Lab) -> GradientError:
        sizes = self._sizes(lab)
        return GradientError(sizes, np.array([self._errors(lab, sizes, seed) for seed in lab.seeds]).T)

    def _sizes(self, lab: Lab) -> tuple[int, ...]:
        return lab.within(lab.trial(), (*lab.sizes, FULL))

    def _errors(self, lab: Lab, sizes: tuple[int, ...], seed: int) -> list[float]:
        trial = lab.trial()
        n, rng = len(trial.data), np.random.default_rng([seed, 0x6E])

        def gradients(b: int, orders: list[HostArray]) -> HostArray:
            """Return gradients (orders, P) of the first b examples in every order (N,)."""
            lab.check_time()
            session = trial.prepare(b, seed).session(last_batch="drop")
            found = [session.ops.to_host(session.compute_gradient(order[None, :b])) for order in orders]
            return np.array([g.astype(float).ravel() for g in found])

        (whole,) = gradients(n, [np.arange(n)])
        orders = [rng.permutation(n) for _ in range(BATCHES)]
        squares = [np.square(gradients(b, orders) - whole).sum(axis=1).mean() for b in sizes]
        return [float(np.sqrt(square / max(np.square(whole).sum(), 1e-300))) for square in squares]
