"""The same numbers under another shape: images as vectors, vectors as images or sequences."""

from __future__ import annotations

from math import prod

from minisgd.backend import Ops
from minisgd.checks import positive
from minisgd.errors import ShapeError
from minisgd.nn.declaration import Declaration
from minisgd.nn.layer import Layer, shape_text
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


class Reshape(Flatten):
    """See every example under a shape of as many numbers.  x (…, B, *in)   y (…, B, *shape), the same memory.

    Args:
        shape: Of an example, such as 8, 8, 1.
        name: Of the layer.

    Raises:
        ArgumentError: If a length is no positive integer.
    """

    def __init__(self, *shape: int, name: str | None = None) -> None:
        super().__init__(name)
        self.shape = tuple(positive(n, f"{self.label}: shape") for n in shape)

    def declare(self, x: Shape) -> Declaration:
        if prod(self.shape) != prod(x[1:]):
            expected = f"examples of {prod(self.shape)} numbers, as {shape_text((0, *self.shape))} has"
            fix = "change the shape, or the layer before it"
            raise ShapeError(f"{self.label}: x", expected=expected, got=shape_text(x), fix=fix)
        return Declaration(y=(x[0], *self.shape), reshapes=True)
