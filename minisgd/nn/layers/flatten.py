"""From images to vectors."""

from __future__ import annotations

from math import prod

from minisgd.backend import Ops
from minisgd.nn.layer import Declaration, Layer
from minisgd.nn.shapes import reshaped
from minisgd.typing import Array, Shape


class Flatten(Layer):
    """See every example as one vector.  x (…, B, H, W, C)   y (…, B, H·W·C), the same memory."""

    def declare(self, x: Shape) -> Declaration:
        return Declaration(y=(x[0], prod(x[1:])), reshapes=True)

    def forward(self, ops: Ops, x: Array) -> Array:
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        return None if self.dx is None else reshaped(dy, self.dx.shape)
