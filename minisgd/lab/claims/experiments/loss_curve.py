"""The loss curve as a training run prints it: the loss of every batch, step after step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.setting import Setting
from minisgd.lab.study.stack import Stopped
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.typing import HostArray


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
    """Train for so many steps at the pilot's learning rate, one for all, and keep the loss of every batch."""

    setting: Setting = Setting()
    steps: int = 200
    batch_sizes: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return "-".join([self.setting.name, "loss-curve", f"{self.steps}-steps", *map(str, self.batch_sizes)])

    def seconds(self, lab: Lab) -> float:
        pilot, sizes = lab.pilot(self.setting), lab.within(lab.trial(self.setting), self.batch_sizes)
        each = sum(0.5 + 0.5 * b / pilot.batch_size for b in sizes)
        return len(lab.seeds) * self.steps * pilot.replica_step_seconds * each

    def run(self, lab: Lab) -> LossCurves:
        trial = lab.trial(self.setting)
        sizes = lab.within(trial, self.batch_sizes)
        return LossCurves(sizes, np.stack([self._record(lab, b) for b in sizes]))

    def _record(self, lab: Lab, b: int) -> HostArray:
        """Return the losses of every seed, (S, T)."""
        trial = lab.trial(self.setting).with_lr(lab.pilot(self.setting).lr)
        session = trial.prepare(b, list(lab.seeds)).session(last_batch="drop")
        losses = []
        with quiet_arithmetic():
            for _ in range(self.steps):
                if lab.stop.is_set():
                    raise Stopped
                session.step()
                losses.append(np.array(session.take_train_loss(), float))
        return np.stack(losses, axis=1)
