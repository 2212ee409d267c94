"""Where each parameter lives in the flat vector: a model is a point in R^P."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

from minisgd.typing import Array, Shape

Kind: TypeAlias = Literal["weight", "bias", "norm", "running", "constant"]
"""What a tensor is for: layer-wise optimizers leave biases and normalisation scales alone; statistics are running ones,
or parameters that do not learn."""


@dataclass(frozen=True)
class Segment:
    """One named tensor in a flat vector."""

    name: str
    offset: int
    shape: Shape
    kind: Kind

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def stop(self) -> int:
        return self.offset + self.size

    def view(self, vector: Array) -> Array:
        """Return the tensor inside a flat vector.  vector (…, P)   result (…, *shape)"""
        return vector[..., self.offset : self.stop].reshape(*vector.shape[:-1], *self.shape)


class Layout:
    """The tensors of a flat vector, in order, without gaps."""

    def __init__(self, tensors: Iterable[tuple[str, Shape, Kind]]) -> None:
        self.segments: list[Segment] = []
        offset = 0
        for name, shape, kind in tensors:
            self.segments.append(Segment(name, offset, shape, kind))
            offset += prod(shape)
        self.size = offset
        """P, the length of the vector."""

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    def __len__(self) -> int:
        return len(self.segments)
