"""What the noise scale predicts for one step of SGD at batch size B (McCandlish et al. 2018, section 2.2).

To second order a step of length lr along a batch gradient lowers the loss by

    ΔL = lr |G|² − ½ lr² (GᵀHG + tr(HΣ)/B),

so with B_noise = tr(HΣ)/GᵀHG the best lr and what it gains are those of the full gradient over 1 + B_noise/B.
"""

from __future__ import annotations

from dataclasses import dataclass

from minisgd.lab.instruments.noise.moments import ratio


@dataclass(frozen=True)
class StepPrediction:
    """The loss around a point, as one step of SGD sees it.

    grad_sq_norm |G|²   gradient_curvature GᵀHG   noise_curvature tr(HΣ)
    """

    grad_sq_norm: float
    gradient_curvature: float
    noise_curvature: float

    @property
    def b_noise(self) -> float:
        """tr(HΣ) / GᵀHG: the batch size at which noise costs as much as curvature; NaN where GᵀHG ≤ 0."""
        return ratio(self.noise_curvature, self.gradient_curvature)

    @property
    def lr_max(self) -> float:
        """|G|² / GᵀHG: the best learning rate of the full gradient."""
        return ratio(self.grad_sq_norm, self.gradient_curvature)

    @property
    def loss_drop_max(self) -> float:
        """|G|⁴ / (2 GᵀHG): what the best step along the full gradient gains."""
        return ratio(self.grad_sq_norm**2, 2 * self.gradient_curvature)

    def best_lr(self, batch_size: float) -> float:
        """Return lr_max / (1 + B_noise/B)."""
        return self.lr_max / (1 + self.b_noise / batch_size)

    def loss_drop(self, batch_size: float) -> float:
        """Return ΔL_max / (1 + B_noise/B): what a step of the best lr at this batch size gains on average."""
        return self.loss_drop_max / (1 + self.b_noise / batch_size)
