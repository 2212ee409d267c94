"""Attention: every position of a sequence reads from all others, by how well its query fits their keys."""

from __future__ import annotations

from math import sqrt

from minisgd.backend import Ops
from minisgd.checks import positive, require_flag
from minisgd.errors import ShapeError
from minisgd.nn.declaration import Buffer, Declaration
from minisgd.nn.layer import Layer, shape_text
from minisgd.nn.layers.softmax import softmax, softmax_gradient
from minisgd.nn.shapes import reshaped, transpose
from minisgd.typing import Array, Shape

HIDDEN = -1e30
"""What is added to a score that must not count: its exponential is 0 beside any other, and no sum of such is NaN."""
LEAST = HIDDEN / 2
"""No score that counts is as small."""


class ScaledDotProduct(Layer):
    """Attention of queries, keys and values: P = softmax(q kᵀ / √d), y = P v  (Vaswani et al. 2017, equation 1).

    x (…, B, T, 3·D): q, k and v, each of H heads of d = D/H   P (…, B, H, T, T)   y (…, B, T, D)

    Args:
        heads: H.
        causal: Whether position t reads from positions up to t only.
        padding: Whether no position reads from those that an `Embedding` with ``padding`` before it found to be
            padding; one that is left with none to read from gets 0.
        name: Of the layer.

    Raises:
        ArgumentError: If heads is no positive integer.
    """

    q: Array
    k: Array
    v: Array
    P: Array
    context: Array
    slope: Array
    dS: Array
    work: Array
    top: Array
    mask: Array
    hidden: Array

    def __init__(self, heads: int, *, causal: bool = False, padding: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.heads, self.causal = positive(heads, f"{self.label}: heads"), causal
        self.padding = require_flag(padding, f"{self.label}: padding")

    def declare(self, x: Shape) -> Declaration:
        if len(x) != 3 or x[2] % (3 * self.heads):
            expected = f"queries, keys and values (B, T, 3·D), D a multiple of {self.heads} heads"
            fix = "use ms.Attention, which computes them, and a width that the heads divide"
            raise ShapeError(f"{self.label}: x", expected=expected, got=shape_text(x), fix=fix)
        b, t, d = x[0], x[1], x[2] // (3 * self.heads)
        heads, scores = (b, self.heads, t, d), (b, self.heads, t, t)
        buffers = {name: Buffer(heads) for name in ("q", "k", "v")} | {
            "P": Buffer(scores),
            "context": Buffer(heads, life="scratch"),
            "slope": Buffer(heads, life="scratch", inference=False),
            "dS": Buffer(scores, life="scratch", inference=False),
            "work": Buffer(scores, life="scratch", inference=False),
            "top": Buffer((*scores[:-1], 1), life="scratch"),
        }
        if self.causal:
            buffers["mask"] = Buffer((t, t), life="scratch")
        if self.padding:
            buffers["hidden"] = Buffer((b, t), life="network")
        return Declaration(y=(b, t, x[2] // 3), buffers=buffers)

    def forward(self, ops: Ops, x: Array) -> Array:
        for array, part in zip((self.q, self.k, self.v), queries_keys_values(x, self.heads), strict=True):
            ops.copy(part, out=array)
        ops.multiply(self.q, 1 / sqrt(self.q.shape[-1]), out=self.q)
        ops.matmul(self.q, transpose(self.k), out=self.P)
        ops.method(self, "weigh")(ops)
        ops.matmul(self.P, self.v, out=self.context)
        ops.copy(self.context, out=by_head(self.y, self.heads))
        return self.y

    def weigh(self, ops: Ops) -> None:
        """P ← softmax P, without the scores that must not count

        Args:
            ops: The operations of the device.
        """
        if self.causal:
            causal_mask(ops, self.mask)
            ops.add(self.P, self.mask[..., None, None, :, :], out=self.P)
        if self.padding:
            ops.add(self.P, self.hidden[..., None, None, :], out=self.P)
        softmax(ops, self.P, self.top, out=self.P, least=LEAST if self.padding else None)

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dv = Pᵀ dy    dP = dy vᵀ    dS = P (dP − Σ dP P)    dq = dS k / √d    dk = dSᵀ q / √d"""
        if self.dx is None:
            return None
        dq, dk, dv = queries_keys_values(self.dx, self.heads)
        ops.copy(by_head(dy, self.heads), out=self.context)
        ops.matmul(transpose(self.P), self.context, out=self.slope)
        ops.copy(self.slope, out=dv)
        ops.matmul(self.context, transpose(self.v), out=self.dS)
        ops.method(self, "weigh_gradient")(ops)
        ops.matmul(transpose(self.dS), self.q, out=self.slope)
        ops.copy(self.slope, out=dk)
        ops.matmul(self.dS, self.k, out=self.slope)
        ops.multiply(self.slope, 1 / sqrt(self.q.shape[-1]), out=self.slope)
        ops.copy(self.slope, out=dq)
        return self.dx

    def weigh_gradient(self, ops: Ops) -> None:
        """dS ← P (dS − Σ dS P)

        Args:
            ops: The operations of the device.
        """
        softmax_gradient(ops, self.P, self.dS, self.top, self.work, dx=self.dS)


def by_head(a: Array, heads: int) -> Array:
    """Return a view of a (…, B, T, D), contiguous along its last axis, as (…, B, H, T, d)."""
    view: Array = reshaped(a, (*a.shape[:-1], heads, a.shape[-1] // heads)).swapaxes(-2, -3)
    return view


def queries_keys_values(x: Array, heads: int) -> tuple[Array, Array, Array]:
    """Return views of the three in x (…, B, T, 3·D), each (…, B, H, T, d)."""
    D = x.shape[-1] // 3
    q, k, v = (by_head(x[..., i * D : (i + 1) * D], heads) for i in range(3))
    return q, k, v


def causal_mask(ops: Ops, mask: Array) -> None:
    """mask (…, T, T) = HIDDEN where key s comes after query t, else 0"""
    positions = ops.arange(mask.shape[-1])
    ops.greater(positions, positions[:, None], out=mask)
    ops.multiply(mask, HIDDEN, out=mask)
