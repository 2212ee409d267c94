"""The loss curve as a training run prints it: the loss of every batch, step after step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.lab import Lab
from minisgd.typing import HostArray

STEPS = 200


@dataclass(frozen=True)
class LossCurves:
    """The training loss of every step.  batch_sizes (K,), loss (K, S, T)"""

    batch_sizes: tuple[int, ...]
    loss: HostArray

    @property
    def roughness(self) -> HostArray:
        """Residual s.d. about the local trend, (K, S): √mean((l₋₁ − 2 l₀ + l₁)²/6), where straight lines leave nothing.

        Of independent residuals it is exactly their s.d. (von Neumann 1941, with second differences).
        """
        return np.asarray(np.sqrt(np.square(np.diff(self.loss, n=2, axis=2)).mean(axis=2) / 6))


@dataclass(frozen=True)
class RecordLoss(Experiment[LossCurves]):
    """Train for STEPS steps at the pilot's learning rate, one for all, and keep the loss of every batch."""

    @property
    def name(self) -> str:
        return f"sgd-loss-curve-{STEPS}-steps"

    def seconds(self, lab: Lab) -> float:
        pilot = lab.pilot()
        return len(lab.seeds) * sum(pilot.seconds(b, STEPS) for b in lab.within(lab.trial()))

    def run(self, lab: Lab) -> LossCurves:
        sizes = lab.within(lab.trial())
        return LossCurves(sizes, np.stack([self._record(lab, b) for b in sizes]))

    def _record(self, lab: Lab, b: int) -> HostArray:
        """Return the losses of every seed, (S, T)."""
        trial = lab.trial().with_lr(lab.pilot().lr)
        session = trial.prepare(b, list(lab.seeds)).session(last_batch="drop")
        losses = []
        for _ in range(STEPS):
            lab.check_time()
            session.step()
            losses.append(np.array(session.take_train_loss(), float))
        return np.stack(losses, axis=1)
