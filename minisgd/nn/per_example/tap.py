"""Taps: layers that let readers look at the gradients of every example as the backward pass goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, Protocol

from minisgd.backend import Ops
from minisgd.nn.binding import Binder, Place
from minisgd.nn.declaration import Declaration
from minisgd.nn.layer import Layer, Leaf
from minisgd.nn.per_example.factors import Factor, copied
from minisgd.nn.per_example.rules import factors_of, has_rule
from minisgd.nn.sequential import Sequential
from minisgd.typing import Array, Shape


class Reader(Protocol):
    """Takes in what it wants to know of the per-example gradients with respect to one parameter."""

    def read(self, ops: Ops, name: str, factor: Factor) -> None:
        """name: of the parameter, as in the network's layout"""


class Tap(Layer):
    """A layer, unchanged, whose per-example gradients are read before its backward pass is over."""

    def __init__(self, inside: Layer, readers: Sequence[Reader]) -> None:
        super().__init__(inside.name)
        self.inside, self.readers = inside, readers
        self.path = ""
        self.kept: Array | None = None
        """What a layer without a rule read: it may write over it."""

    def declare(self, x: Shape) -> Declaration:
        return self.inside.declare(x)

    def leaves(self, x: Shape, path: str) -> Iterator[Leaf]:
        return self.inside.leaves(x, path)

    def walk(self) -> Iterator[Layer]:
        return self.inside.walk()

    def bind_forward(self, binder: Binder, path: str, x: Place) -> Place:
        self.path = path
        if has_rule(self.inside):
            return binder.leaf_forward(self.inside, path, x, self.inside.declared(self.inside.declare(x.shape)))
        return self.inside.bind_forward(binder, path, x)

    def bind_backward(self, binder: Binder, path: str, dy: Place, needs_dx: bool) -> Place | None:
        return self.inside.bind_backward(binder, path, dy, needs_dx)

    def forward(self, ops: Ops, x: Array) -> Array:
        self.kept = None if has_rule(self.inside) else copied(ops, x)
        y: Array = self._method(ops, "forward")(ops, x)
        return y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        factors = factors_of(self.inside, self.path, ops, self.kept, dy)  # first: dx may take the place of dy
        # then: a reader may want the gradient of the batch
        dx: Array | None = self._method(ops, "backward")(ops, dy)
        for name, factor in factors.items():
            for reader in self.readers:
                reader.read(ops, name, factor)
        return dx

    def _method(self, ops: Ops, name: str) -> Callable[..., Any]:
        """Return a method of the layer: the textbook's where a rule reads the arrays that it leaves."""
        textbook: Callable[..., Any] = getattr(self.inside, name)
        return textbook if has_rule(self.inside) else ops.method(self.inside, name)


def tapped(layer: Any, x: Shape, readers: Sequence[Reader], only: Callable[[Layer], bool] = lambda layer: True) -> Any:
    """Return a chain of the same layers with a tap at every one that has parameters.

    layer: in evaluation (see ``Layer.frozen``), so that no example depends on another   x (n, *in): its input
    only: which of them are wanted
    """
    if not isinstance(layer, Sequential):
        learns = any(leaf.declaration.parameters for leaf in layer.leaves(x, ""))
        return Tap(layer, readers) if learns and only(layer) else layer
    duplicate, inner = copy(layer), []
    for each in layer.layers:
        inner.append(tapped(each, x, readers, only))
        x = each.declare(x).y
    duplicate.layers = duplicate._trained = tuple(inner)
    return duplicate
