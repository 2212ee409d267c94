"""Dropout."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.checks import within
from minisgd.nn.declaration import Buffer, Declaration
from minisgd.nn.layer import Layer
from minisgd.nn.layers.frozen import Identity
from minisgd.typing import Array, Shape


class Dropout(Layer):
    """Inverted dropout: y = x m / (1 − p), m ~ Bernoulli(1 − p); in evaluation y = x (Srivastava et al. 2014).

    The mask is a function of the run's seed, the number of gradients computed so far and the position in
    the batch, so a run can be repeated and resumed bit for bit.

    Args:
        p: The share of values set to zero, in [0, 1).
        name: Of the layer.

    Raises:
        ArgumentError: If a value is outside its interval.
    """

    draw: Array
    mask: Array

    def __init__(self, p: float = 0.5, name: str | None = None) -> None:
        super().__init__(name)
        self.p = within("[0, 1)", p, f"{self.label}: p", "p is the share of values set to zero, such as 0.5")

    def declare(self, x: Shape) -> Declaration:
        buffers = {
            "draw": Buffer(x, life="scratch", inference=False),
            "mask": Buffer(x, dtype="bool", inference=False),
        }
        return Declaration(y=x, buffers=buffers, y_over_x=True, dx_over_dy=True, infer="x", clock=True)

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.uniform(self.seeds, self.clock, self.stream, out=self.draw)
        ops.greater_equal(self.draw, self.p, out=self.mask)
        ops.multiply(x, self.mask, out=self.y)
        ops.multiply(self.y, 1 / (1 - self.p), out=self.y)
        return self.y

    def infer(self, ops: Ops, x: Array) -> Array:
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dx = dy m / (1 − p)"""
        if self.dx is not None:
            ops.multiply(dy, self.mask, out=self.dx)
            ops.multiply(self.dx, 1 / (1 - self.p), out=self.dx)
        return self.dx

    def frozen(self) -> Identity:
        return Identity(self.name)
