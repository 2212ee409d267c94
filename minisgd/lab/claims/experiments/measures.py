"""What a fixed budget may measure on a network at the end of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from minisgd.lab.instruments.examples.subject import Examples
from minisgd.lab.instruments.noise.estimate import noise_of_examples
from minisgd.lab.trial import Trial
from minisgd.nn import Network


@dataclass(frozen=True)
class NoiseScale:
    """B_simple = tr Σ / |G|² from the gradients of single examples, exact (McCandlish et al. 2018, equation 2.9)."""

    def __call__(self, network: Network, trial: Trial) -> Mapping[str, float]:
        """Return it as ``noise_scale``."""
        examples = Examples.of(network, trial.data, trial.loss)
        found, _ = noise_of_examples(examples, len(examples))
        return {"noise_scale": found.estimate.b_simple}


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
