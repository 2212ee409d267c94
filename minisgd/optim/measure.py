"""What a schedule may know of the gradient: measured on one batch, example by example."""

from __future__ import annotations

from dataclasses import dataclass


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
