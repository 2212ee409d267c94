"""How much the gradients of batches differ, at every batch size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.setting import Setting
from minisgd.typing import HostArray

BATCHES = 64
"""Batches drawn at each batch size and seed: the variance is then known to about √(2/63), 18%, per direction."""


@dataclass(frozen=True)
class GradientVariance:
    """Total variance of the batch gradient, Σ_j Var(g_j).  batch_sizes (K,), variance (K, S), N examples."""

    batch_sizes: tuple[int, ...]
    variance: HostArray
    n_train: int


@dataclass(frozen=True)
class MeasureGradientVariance(Experiment[GradientVariance]):
    """Draw batches without replacement at the fresh weights of every seed, and take the variance of their gradients."""

    setting: Setting = Setting()
    batch_sizes: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return "-".join([self.setting.name, "gradient-variance", *map(str, self.batch_sizes)])

    def seconds(self, lab: Lab) -> float:
        sizes = lab.within(lab.trial(self.setting), self.batch_sizes)
        return len(lab.seeds) * (0.05 + 3e-7 * BATCHES * sum(sizes))

    def run(self, lab: Lab) -> GradientVariance:
        trial = lab.trial(self.setting)
        n = len(trial.data)
        sizes = tuple(b for b in lab.within(trial, self.batch_sizes) if b < n)
        return GradientVariance(sizes, np.array([[self._variance(lab, b, s) for s in lab.seeds] for b in sizes]), n)

    def _variance(self, lab: Lab, b: int, seed: int) -> float:
        lab.check_time()
        trial, rng = lab.trial(self.setting), np.random.default_rng([seed, b, 0x6E])
        session = trial.prepare(b, seed).session(last_batch="drop")
        gradients = []
        for _ in range(BATCHES):
            gradient = session.compute_gradient(rng.permutation(len(trial.data))[None, :b])
            gradients.append(session.ops.to_host(gradient).astype(float))
        return float(np.var(gradients, axis=0, ddof=1).sum())
