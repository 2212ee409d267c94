"""All that a schedule may look at: how far a training run has come, and what was measured of its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor


@dataclass(frozen=True)
class GradientMeasure:
    """The spread of the gradients of a batch's examples, before the update that the batch led to.

    With g_i the gradient of example i and g their mean:

    Args:
        examples: B, how many were looked at.
        loss: Their mean loss.
        lr: The learning rate of the update.
        grad_sq_norm: |g|².
        variance: s² = 1/(B − 1) Σ_i |g_i − g|², the trace of the sample covariance.
        inner_variance: 1/(B − 1) Σ_i (g_iᵀ g − |g|²)², the sample variance of g_iᵀ g.
    """

    examples: int
    loss: float
    lr: float
    grad_sq_norm: float
    variance: float
    inner_variance: float


@dataclass(frozen=True)
class Progress:
    """The state of a training run before an update.

    Args:
        step: Updates done so far.
        epoch: Examples seen so far / N.
        fraction: The share of the training run that is done, in [0, 1].
        batch_size: B of the coming update; a schedule of B itself finds that of the update before.
        measured: What the update before measured of its gradient, where a schedule asked for it then.
        step_share: The share of the training run that an update makes, where its length is known, else 0.
    """

    step: int
    epoch: float
    fraction: float
    batch_size: int
    measured: GradientMeasure | None = None
    step_share: float = 0.0


def periods(epoch: float, every: float) -> int:
    """Return ⌊epoch / every⌋, where 0.6 epochs are six times 0.1, which as floats they are not quite."""
    return floor(round(epoch / every, 9))
