"""The gradient noise scale of a trained network, over all its training examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
