"""The loss as a training run sees it: layers that look at the whole batch use what they see there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from minisgd.lab.trial import Trial
from minisgd.nn import Network


@dataclass(frozen=True)
class TrainingModeLoss:
    """The mean training loss in training mode: batch normalisation by the statistics of every batch itself.

    No weight moves; in evaluation mode, at the same weights, the loss is ``train_loss``.
    """

    batch_size: int

    def __call__(self, network: Network, trial: Trial) -> Mapping[str, float]:
        """Return it as ``training_mode_loss``."""
        session = replace(trial, network=network).prepare(self.batch_size, 0).session(last_batch="drop")
        for _ in range(len(trial.data) // self.batch_size):
            session.compute_gradient(session.sampler.next(self.batch_size))
        return {"training_mode_loss": float(session.take_train_loss()[0])}
