"""Larger images without anything learned."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.nn.declaration import Declaration
from minisgd.nn.layer import Layer
from minisgd.nn.layers.windows import offsets, pair, require_images, strided
from minisgd.typing import Array, Shape


class Upsample(Layer):
    """Every pixel S·S times (nearest neighbour): y[b, iS+k, jS+l, c] = x[b,i,j,c] for k, l < S.

    x (…, B, H, W, C)   y (…, B, S·H, S·W, C)

    Args:
        factor: S, or that of rows and of columns.
        name: Of the layer.

    Raises:
        ArgumentError: If the factor is no positive integer.
    """

    def __init__(self, factor: int | tuple[int, int] = 2, *, name: str | None = None) -> None:
        super().__init__(name)
        self.factor = pair(factor, f"{self.label}: factor", 1)

    def declare(self, x: Shape) -> Declaration:
        require_images(self, x)
        return Declaration(y=(x[0], x[1] * self.factor[0], x[2] * self.factor[1], x[3]))

    def forward(self, ops: Ops, x: Array) -> Array:
        for pixels in self._copies(self.y):
            ops.copy(x, out=pixels)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dx = Σ dy over the S·S copies of a pixel"""
        if self.dx is not None:
            first, *others = self._copies(dy)
            ops.copy(first, out=self.dx)
            for pixels in others:
                ops.add(self.dx, pixels, out=self.dx)
        return self.dx

    def _copies(self, y: Array) -> list[Array]:
        """Return S·S views of y like x, one for each copy of a pixel."""
        return [y[strided(i, j, self.factor, self.x.shape[-3:-1])] for i, j in offsets(self.factor)]
