"""Muon: momentum of matrices made orthogonal, so that a step is as large in every direction."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import sqrt
from typing import ClassVar

from minisgd.backend import Ops
from minisgd.nn.layout import Layout, Segment
from minisgd.optim.adamw import AdamW
from minisgd.optim.checks import decay_rate
from minisgd.optim.optimizer import UpdateBuffers
from minisgd.optim.vector import add_scaled, average_in, norm
from minisgd.typing import Array

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b and c of the iteration: of all quintics that bring singular values into [0.7, 1.2], fast for small ones."""

ITERATIONS = 5


@dataclass
class Muon(AdamW):
    """Step along the nearest orthogonal matrix to the momentum of each weight matrix; move the rest by AdamW.

    m ← μ m + (1 − μ) g             μ momentum
    u = (1 − μ) g + μ m             Nesterov's look ahead
    w ← (1 − lr λ) w − 0.2 √max(rows, columns) lr O(u)

    O(u) = U Vᵀ for u = U S Vᵀ, by five Newton–Schulz iterations from X = u / |u|:
    A = X Xᵀ,  X ← a X + (b A + c A²) X.

    Jordan et al. 2024; the factor 0.2 √max(rows, columns) gives a step the root mean square of one of AdamW's, so that
    both take the same lr and λ (Liu et al. 2025, section 2.2). Weights of a convolution are a matrix of (inputs,
    outputs); biases, scales of normalisation and other vectors are moved by AdamW.

    Args:
        lr: Learning rate, a positive number or a schedule (a function of `Progress`).
        momentum: μ, in [0, 1), of matrices.
        betas: β₁ and β₂, in [0, 1), of vectors.
        eps: ε, positive, of vectors.
        weight_decay: λ of both; 0 is none.
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.

    Raises:
        ArgumentError: If lr ≤ 0, momentum or a beta outside [0, 1), eps ≤ 0 or weight_decay < 0.
    """

    _: KW_ONLY
    momentum: float = 0.95

    rates: ClassVar[tuple[str, ...]] = (*AdamW.rates, "norm")
    by_rows: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = decay_rate("momentum", self.momentum, "0.95 is customary")

    def work(self, layout: Layout) -> dict[str, int]:
        matrices = [_sides(segment) for segment in layout if _is_matrix(segment)]
        whole = max((short * long for short, long in matrices), default=0)
        square = max((short * short for short, _ in matrices), default=0)
        return {"x": whole, "y": whole, "gram": square, "polynomial": square}

    def sweep(self, ops: Ops, b: UpdateBuffers) -> None:
        for segment in b.layout:
            tensor = b.part(segment.offset, segment.stop)
            if _is_matrix(segment):
                self.move_matrix(ops, tensor, segment)
            else:
                for chunk in tensor.chunks():
                    self.update(ops, chunk)

    def move_matrix(self, ops: Ops, b: UpdateBuffers, segment: Segment) -> None:
        """Move one weight matrix.

        Args:
            ops: The operations of the device.
            b: The buffers of its elements.
            segment: Its shape.
        """
        for chunk in b.chunks():
            self.decay(ops, chunk)
            m = chunk.slots["m"]
            average_in(ops, m, self.momentum, chunk.g, scratch=chunk.scratch)
            ops.multiply(chunk.g, 1 - self.momentum, out=chunk.g)
            add_scaled(ops, chunk.g, self.momentum, m, scratch=chunk.scratch)
        short, long = _sides(segment)
        lead = b.w.shape[:-1]
        w, g = (v.reshape(*lead, -1, segment.shape[-1]) for v in (b.w, b.g))  # (…, rows, columns)
        if w.shape[-2] > w.shape[-1]:
            w, g = w.swapaxes(-1, -2), g.swapaxes(-1, -2)  # (…, short, long): the smaller of X Xᵀ and Xᵀ X
        x, y = (b.work[name][..., : short * long].reshape(*lead, short, long) for name in ("x", "y"))
        gram, polynomial = (
            b.work[name][..., : short * short].reshape(*lead, short, short) for name in ("gram", "polynomial")
        )
        size = b.rates["norm"]
        norm(ops, b.g, out=size)
        ops.add(size, 1e-7, out=size)
        ops.divide(g, size[..., None], out=x)
        orthogonalise(ops, x, y, gram, polynomial)
        ops.multiply(x, 0.2 * sqrt(long), out=x)
        ops.multiply(x, b.lr[..., None], out=x)
        ops.subtract(w, x, out=w)


def orthogonalise(ops: Ops, x: Array, y: Array, gram: Array, polynomial: Array) -> None:
    """Bring the singular values of X near 1 and leave its singular vectors:  X ← a X + (b A + c A²) X,  A = X Xᵀ

    x, y (…, short, long)   gram, polynomial (…, short, short)

    Args:
        ops: The operations of the device.
        x: X, of a norm of at most 1; holds the result.
        y: A temporary.
        gram: A temporary.
        polynomial: A temporary.
    """
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        ops.matmul(x, x.swapaxes(-1, -2), out=gram)
        ops.matmul(gram, gram, out=polynomial)
        ops.multiply(polynomial, c, out=polynomial)
        ops.multiply(gram, b, out=gram)
        ops.add(polynomial, gram, out=polynomial)
        ops.matmul(polynomial, x, out=y)
        ops.multiply(x, a, out=x)
        ops.add(x, y, out=x)


def _is_matrix(segment: Segment) -> bool:
    return segment.kind == "weight" and len(segment.shape) > 1


def _sides(segment: Segment) -> tuple[int, int]:
    """Return the shorter and the longer side of a weight tensor as a matrix of (inputs, outputs)."""
    sides = segment.size // segment.shape[-1], segment.shape[-1]
    return min(sides), max(sides)
