"""Softmax cross-entropy: loss and gradient in one pass over the logits."""

from __future__ import annotations

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.kernels.cross_entropy import CrossEntropy
from minisgd.nn.cuda.replicas import dense
from minisgd.nn.losses.cross_entropy import SoftmaxCrossEntropy
from minisgd.typing import Array


@tuned("cuda", SoftmaxCrossEntropy, "weighted")
def weighted(self: SoftmaxCrossEntropy, ops: CupyVocabulary, target: Array) -> None:
    """losses = w_i ℓ_i, and dz = w_i/B ∂ℓ_i/∂z_i as well"""
    kernel = ops.family(CrossEntropy, self.z.dtype)
    operands = self.z, target, self.losses, self.dz, self.weight

    def emit() -> None:
        for z, t, losses, dz, weight in dense(self.lead, *operands):
            kernel(z, t, losses, dz, weight=weight, smoothing=self.label_smoothing)

    ops.launch("cross_entropy", emit, (self.z, target), self.losses)


@tuned("cuda", SoftmaxCrossEntropy, "weighted_gradient")
def weighted_gradient(self: SoftmaxCrossEntropy, ops: CupyVocabulary) -> None:
    """Leave dz as the forward pass wrote it."""
