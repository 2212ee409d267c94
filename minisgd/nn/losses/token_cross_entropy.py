"""Cross-entropy at every position of a sequence."""

from __future__ import annotations

from math import prod

from minisgd.backend import Ops, Request
from minisgd.errors import DataError, ShapeError
from minisgd.nn.declaration import Buffer
from minisgd.nn.layer import shape_text
from minisgd.nn.losses.cross_entropy import SoftmaxCrossEntropy
from minisgd.nn.losses.loss import LossDeclaration, TargetKind, hit_arrays
from minisgd.nn.shapes import rows, transpose
from minisgd.typing import Array, Shape


class TokenCrossEntropy(SoftmaxCrossEntropy):
    """Softmax cross-entropy of every position, averaged over those of an example that count.

    ℓ = 1/n Σ_t m_t ℓ_t, ∂ℓ/∂z_t = m_t/n (p_t − target_t), with m_t = 0 where the label is negative and n = max(Σ m, 1)

    z (…, B, T, C) logits   target (…, B, T) integer classes, negative where a position does not count, such as
    PyTorch's −100. T may be any axes, or none. Every example weighs the same, however many of its positions count;
    labels are smoothed as in SoftmaxCrossEntropy.
    """

    each: Array
    counts: Array
    n: Array

    def declare(self, z: Shape, kind: TargetKind) -> LossDeclaration:
        if kind != "labels" or len(z) < 2:
            raise ShapeError(
                "TokenCrossEntropy: target and prediction",
                expected="integer labels (B, T) for a prediction (B, T, classes)",
                got=f"{'integer labels' if kind == 'labels' else 'floats'} for {shape_text(z)}",
                fix="give the class of every position, and end the network with ms.Linear(classes)",
            )
        of_positions = super().declare((prod(z[:-1]), z[-1]), kind)
        each = {"each": Buffer(z[:-1]), "counts": Buffer(z[:-1]), "n": Buffer((z[0],))}
        return LossDeclaration(z[:-1], "int64", of_positions.buffers | each)

    def forward(self, ops: Ops, target: Array) -> None:
        self._count(ops, target)
        self._cross_entropy(ops, rows(self.z, self.lead), self._flat(target), self._flat(self.each))
        ops.multiply(self.each, self.counts, out=self.each)
        ops.sum(self.each, self._positions(target), out=self.losses)
        ops.divide(self.losses, self.n, out=self.losses)

    def _count(self, ops: Ops, target: Array) -> None:
        """counts = [target ≥ 0]    n = max(Σ counts, 1)"""
        ops.greater_equal(target, 0, out=self.counts)
        ops.sum(self.counts, self._positions(target), out=self.n)
        ops.maximum(self.n, 1.0, out=self.n)

    def backward(self, ops: Ops) -> None:
        ops.subtract(self.s, self.target, out=transpose(rows(self.dz, self.lead)))
        ops.divide(self.counts, self.n.reshape(*self.n.shape, *[1] * (self.counts.ndim - self.n.ndim)), out=self.each)
        ops.multiply(self.dz, self.each[..., None], out=self.dz)

    def check_target(self, labels_or_values: Array) -> None:
        if not (labels_or_values >= 0).any():
            expected, fix = "a class from 0 at some position", "mark with −1 only the positions that do not count"
            raise DataError("TokenCrossEntropy: labels", expected=expected, got="negative ones only", fix=fix)

    # ------------------------------------------------ accuracy

    share: Array

    def hit_requests(self, z: Shape, kind: TargetKind) -> dict[str, Request]:
        return hit_arrays(chosen=(z[:-1], "int64"), share=(z[:-1], "float64"), hit=(z[:1], "float64"))

    def hits(self, ops: Ops, target: Array) -> None:
        """hit = 1/n Σ_t [argmax z_t = the class]"""
        self._count(ops, target)
        ops.argmax(self.z, -1, out=self.chosen)
        ops.equal(self.chosen, target, out=self.share)
        ops.sum(self.share, self._positions(target), out=self.hit)
        ops.divide(self.hit, self.n, out=self.hit)

    # ------------------------------------------------ views

    def _flat(self, a: Array) -> Array:
        """Return a (…, B, T) as (…, B·T)."""
        return a.reshape(*self.lead, -1)

    def _positions(self, a: Array) -> tuple[int, ...]:
        """Return the axes T of a (…, B, T)."""
        return tuple(range(len(self.lead) + 1, a.ndim))

    def __repr__(self) -> str:
        return super().__repr__().replace("Softmax", "Token")
