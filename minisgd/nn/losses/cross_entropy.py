"""Losses of classification, on logits."""

from __future__ import annotations

import numpy as np

from minisgd.backend import Ops, Request
from minisgd.checks import within
from minisgd.errors import DataError, ShapeError
from minisgd.nn.declaration import Buffer
from minisgd.nn.layer import shape_text
from minisgd.nn.layers.activations import sigmoid, softplus
from minisgd.nn.lending import lend
from minisgd.nn.losses.loss import Loss, LossDeclaration, TargetKind, hit_arrays, require_values
from minisgd.nn.shapes import transpose
from minisgd.typing import Array, Shape


class SoftmaxCrossEntropy(Loss):
    """Softmax cross-entropy: p = softmax(z), ℓ = −Σ_c t_c ln p_c, ∂ℓ/∂z = p − t.

    z (…, B, C) logits   target (…, B) integer classes, or (…, B, C) probabilities that sum to one

    An integer class k stands for t_c = [c = k]; label smoothing ε makes (1 − ε) t + ε/C of the targets
    (Szegedy et al. 2016, section 7). Computed as ℓ = ln Σ_c e^(s_c) − Σ_c t_c s_c with s = z − max z, so that
    nothing overflows; and on transposed arrays (…, C, B), since there are few classes and many examples:
    every operation then runs along the batch, and a sum over classes is C additions of whole rows.

    Args:
        label_smoothing: ε, in [0, 1).

    Raises:
        ArgumentError: If label_smoothing is outside its interval.
    """

    task = "classification"

    s: Array
    target: Array
    product: Array
    top: Array

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = within(
            "[0, 1)", label_smoothing, "SoftmaxCrossEntropy: label_smoothing", "0.1 is customary"
        )
        self.kind: TargetKind = "labels"

    def declare(self, z: Shape, kind: TargetKind) -> LossDeclaration:
        if len(z) != 2:
            raise ShapeError(
                "SoftmaxCrossEntropy: prediction",
                expected="(B, classes)",
                got=shape_text(z),
                fix="flatten images first: put ms.Flatten() before ms.Linear; for labels at every position use "
                "ms.TokenCrossEntropy()"
                if len(z) > 2
                else "end the network with ms.Linear(classes)",
            )
        self.kind = kind
        by_class = (z[1], z[0])
        buffers = {
            "s": Buffer(by_class),
            "target": Buffer(by_class),
            "product": Buffer(by_class, life="scratch"),
            "top": Buffer((1, z[0]), life="scratch"),
        }
        if kind == "values":
            return LossDeclaration(z, None, buffers)
        return LossDeclaration(z[:1], "int64", buffers)

    def forward(self, ops: Ops, target: Array) -> None:
        self._cross_entropy(ops, self.z, target, self.losses)

    def _cross_entropy(self, ops: Ops, z: Array, target: Array, losses: Array) -> None:
        """losses = ln Σ_c e^(s_c) − Σ_c t_c s_c    s (…, C, B) ← p"""
        self._targets(ops, target)
        s, top = self.s, self.top
        ops.copy(transpose(z), out=s)
        ops.max(s, -2, out=top, keepdims=True)
        ops.subtract(s, top, out=s)
        ops.multiply(s, self.target, out=self.product)
        ops.sum(self.product, -2, out=losses)
        ops.exp(s, out=s)
        ops.sum(s, -2, out=top, keepdims=True)
        ops.divide(s, top, out=s)
        ops.log(top, out=top)
        ops.subtract(top[..., 0, :], losses, out=losses)

    def _targets(self, ops: Ops, target: Array) -> None:
        """target (…, C, B) ← (1 − ε) t + ε/C"""
        classes = self.z.shape[-1]
        if self.kind == "labels":
            ops.one_hot(target, out=self.target)
        else:
            ops.copy(transpose(target), out=self.target)
        if self.label_smoothing:
            ops.multiply(self.target, 1 - self.label_smoothing, out=self.target)
            ops.add(self.target, self.label_smoothing / classes, out=self.target)

    def backward(self, ops: Ops) -> None:
        ops.subtract(self.s, self.target, out=transpose(self.dz))

    def check_target(self, labels_or_values: Array) -> None:
        if labels_or_values.dtype.kind == "f":
            sums = labels_or_values.reshape(len(labels_or_values), -1).sum(-1)  # (N,)
            if (labels_or_values < 0).any() or not np.allclose(sums, 1, atol=1e-4):
                raise DataError(
                    "SoftmaxCrossEntropy: soft targets",
                    expected="probabilities that sum to 1 in every row",
                    got=f"row sums from {sums.min():.4g} to {sums.max():.4g}",
                    fix="divide each row by its sum, or for values use ms.MeanSquaredError()",
                )

    has_hits = True
    chosen: Array
    right: Array

    def hit_requests(self, z: Shape, kind: TargetKind) -> dict[str, Request]:
        return hit_arrays(chosen=(z[:1], "int64"), right=(z[:1], "int64"), hit=(z[:1], "bool"))

    def hits(self, ops: Ops, target: Array) -> None:
        """hit = [argmax z = the class]"""
        ops.argmax(self.z, -1, out=self.chosen)
        right = target
        if self.kind == "values":
            ops.argmax(target, -1, out=self.right)
            right = self.right
        ops.equal(self.chosen, right, out=self.hit)

    def __repr__(self) -> str:
        smoothing = f"label_smoothing={self.label_smoothing}" if self.label_smoothing else ""
        return f"SoftmaxCrossEntropy({smoothing})"


class BinaryCrossEntropy(Loss):
    """Binary cross-entropy on logits: ℓ = 1/O Σ_o (ln(1 + e^z) − t z), ∂ℓ/∂z = (σ(z) − t)/O.

    z (…, B, O)   target (…, B, O) in [0, 1]
    """

    task = "classification"

    target: Array
    work: Array

    def declare(self, z: Shape, kind: TargetKind) -> LossDeclaration:
        return require_values(self, z, kind, work=Buffer(z, life="scratch"))

    def forward(self, ops: Ops, target: Array) -> None:
        lend(self, "target", target)
        softplus(ops, self.z, self.work, out=self.dz)
        ops.multiply(self.z, target, out=self.work)
        ops.subtract(self.dz, self.work, out=self.work)
        mean_over_outputs(ops, self.work, self.losses)

    def backward(self, ops: Ops) -> None:
        sigmoid(ops, self.z, out=self.dz)
        ops.subtract(self.dz, self.target, out=self.dz)
        ops.multiply(self.dz, 1 / outputs(self.dz, self.losses), out=self.dz)

    has_hits = True
    said: Array
    true: Array
    share: Array

    def hit_requests(self, z: Shape, kind: TargetKind) -> dict[str, Request]:
        return hit_arrays(said=(z, "bool"), true=(z, "bool"), share=(z, "float64"), hit=(z[:1], "float64"))

    def hits(self, ops: Ops, target: Array) -> None:
        """hit = 1/O Σ_o [z_o > 0 exactly where t_o > ½]"""
        ops.greater(self.z, 0.0, out=self.said)
        ops.greater(target, 0.5, out=self.true)
        ops.equal(self.said, self.true, out=self.share)
        mean_over_outputs(ops, self.share, self.hit)

    def check_target(self, labels_or_values: Array) -> None:
        low, high = labels_or_values.min(), labels_or_values.max()
        if not (low >= 0 and high <= 1):  # NaN included
            got, fix = f"values from {low:.4g} to {high:.4g}", "scale them, or use MeanSquaredError"
            raise DataError("BinaryCrossEntropy: targets", expected="probabilities in [0, 1]", got=got, fix=fix)


def outputs(z: Array, losses: Array) -> int:
    """Return O, the number of outputs of one example."""
    return int(z.size // losses.size)


def mean_over_outputs(ops: Ops, work: Array, losses: Array) -> None:
    """losses (…, B) = 1/O Σ_O work (…, B, O…)"""
    axes = tuple(range(losses.ndim - work.ndim, 0))
    ops.sum(work, axes, out=losses)
    ops.multiply(losses, 1 / outputs(work, losses), out=losses)
