"""The gradients G_i of one parameter, one for each example: in factors where there are some, else as they are.

n examples, I in, O out; v an array of the parameter's shape. What is computed lands in arrays that are allocated
as the operations are recorded, so replaying allocates nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from minisgd.backend import Ops
from minisgd.nn.shapes import transpose
from minisgd.typing import Array, Shape


class Factor(Protocol):
    """n gradients with respect to one parameter."""

    def squared_norms(self, ops: Ops, out: Array) -> None:
        """out (n,) = |G_i|²"""

    def inner_products(self, ops: Ops, v: Array, out: Array) -> None:
        """out (n,) = ⟨G_i, v⟩"""

    def sum_of_squares(self, ops: Ops, out: Array) -> None:
        """out, of the parameter's shape, = Σ_i G_i², element by element"""


@dataclass(frozen=True)
class OuterProduct:
    """G_i = a_iᵀ δ_i, as in a dense layer: never formed (Goodfellow 2015).

    a (n, I) what came in   δ (n, O) the gradient with respect to what went out
    """

    a: Array
    delta: Array

    def squared_norms(self, ops: Ops, out: Array) -> None:
        """|G_i|² = |a_i|² |δ_i|²"""
        of_a = ops.empty(out.shape, out.dtype)
        ops.dot(self.a, self.a, out=of_a)
        ops.dot(self.delta, self.delta, out=out)
        ops.multiply(out, of_a, out=out)

    def inner_products(self, ops: Ops, v: Array, out: Array) -> None:
        """⟨G_i, v⟩ = a_i v δ_iᵀ"""
        av = ops.empty(self.delta.shape, self.delta.dtype)
        ops.matmul(self.a, v.reshape(self.a.shape[1], self.delta.shape[1]), out=av)
        ops.dot(av, self.delta, out=out)

    def sum_of_squares(self, ops: Ops, out: Array) -> None:
        """Σ G_i² = (a²)ᵀ δ²"""
        ops.matmul(transpose(squared(ops, self.a)), squared(ops, self.delta), out=out)


@dataclass(frozen=True)
class Stacked:
    """G_i itself.  G (n, size), each gradient as one row"""

    G: Array

    def squared_norms(self, ops: Ops, out: Array) -> None:
        ops.dot(self.G, self.G, out=out)

    def inner_products(self, ops: Ops, v: Array, out: Array) -> None:
        ops.dot(self.G, v.reshape(1, -1), out=out)

    def sum_of_squares(self, ops: Ops, out: Array) -> None:
        ops.sum(squared(ops, self.G), 0, out=out.reshape(-1))


def squared(ops: Ops, a: Array) -> Array:
    """Return a², a new array."""
    out = ops.empty(a.shape, a.dtype)
    ops.square(a, out=out)
    return out


def product(ops: Ops, a: Array, b: Array) -> Array:
    """Return a · b element by element, a new array."""
    out = ops.empty(a.shape, a.dtype)
    ops.multiply(a, b, out=out)
    return out


def summed_over_positions(ops: Ops, r: Array) -> Array:
    """Return Σ r over everything between example and channel.  r (n, …, C)   result (n, C)"""
    if r.ndim == 2:
        return r
    out = ops.empty((r.shape[0], r.shape[-1]), r.dtype)
    ops.sum(r, tuple(range(1, r.ndim - 1)), out=out)
    return out


def copied(ops: Ops, a: Array, shape: Shape | None = None) -> Array:
    """Return a copy of a, repeated to the shape where one is given."""
    out = ops.empty(shape or a.shape, a.dtype)
    ops.copy(a, out=out)
    return out
