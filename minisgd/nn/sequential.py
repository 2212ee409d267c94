"""Composition: one layer after another, and a layer around which the input takes a short cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Self

from minisgd.backend import Ops, Request
from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn.binding import Binder, Place
from minisgd.nn.declaration import Declaration
from minisgd.nn.layer import Layer, Leaf, shape_text
from minisgd.nn.lending import BorrowerT, without_lent
from minisgd.typing import Array, HostArray, Shape


class Sequential(Layer):
    """Chain: y = f_n(… f_2(f_1(x))).

    Args:
        layers: In the order in which they run.
        name: For messages and for the names of the parameters.

    Raises:
        ArgumentError: If there is no layer, one is no layer, or one stands in two places.
    """

    def __init__(self, *layers: Layer, name: str | None = None) -> None:
        super().__init__(name)
        for position, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                expected, fix = "a layer such as ms.Linear(10)", _how_to_pass(layer)
                raise ArgumentError(f"{type(self).__name__}: layer {position}", expected=expected, got=layer, fix=fix)
        seen: set[int] = set()
        for inner in (inner for layer in layers for inner in layer.walk()):
            if id(inner) in seen:
                got, fix = f"the same {inner.label} twice", "make a second layer; layers do not share weights"
                raise ArgumentError(f"{type(self).__name__}: layers", expected="different objects", got=got, fix=fix)
            seen.add(id(inner))
        if not layers:
            raise ArgumentError(
                f"{type(self).__name__}: layers", expected="at least one layer", got="none", fix="add ms.Linear(10)"
            )
        self.layers = layers
        self._trained: tuple[Layer, ...] = layers

    @property
    def couples_batch(self) -> bool:  # type: ignore[override]
        """True if some layer inside couples the examples of a batch."""
        return any(layer.couples_batch for layer in self.layers)

    @property
    def order_matters(self) -> bool:  # type: ignore[override]
        """True if the order of the examples in a batch matters to some layer inside."""
        return any(layer.order_matters for layer in self.layers)

    def declare(self, x: Shape) -> Declaration:
        for _, layer in in_order(self.layers):
            x = layer.declare(x).y
        return Declaration(y=x)

    def check_input(self, x: HostArray, scale: float) -> None:
        in_order(self.layers)[0][1].check_input(x, scale)

    def forward(self, ops: Ops, x: Array) -> Array:
        y: Array = self._run(ops, "forward", x)
        return y

    def infer(self, ops: Ops, x: Array) -> Array:
        y: Array = self._run(ops, "infer", x)
        return y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """Run the chain rule from the last layer to the first that has something to learn."""
        dx: Array | None = self._run(ops, "backward", dy)
        return dx

    def parts(self, method: str) -> Sequence[Any]:
        """Return what a method runs, in its order: the layers, or what a device runs in place of several of them.

        Args:
            method: "forward", "infer" or "backward".
        """
        if method == "backward":
            return [layer for _, layer in reversed(in_order(self._trained))]
        return [layer for _, layer in in_order(self.layers)]

    def _run(self, ops: Ops, method: str, array: Any) -> Any:
        for part in ops.method(self, "parts")(method):
            if array is not None:
                with ops.scope(layer=part.label):
                    array = ops.method(part, method)(ops, array)
                    if array is None and (method != "backward" or getattr(part, "dx", None) is not None):
                        raise ArgumentError(
                            f"{part.label}: {method}", expected="a method that returns an array", got=None,
                            fix=f"end it with: return self.{'dx' if method == 'backward' else 'y'}",
                        )  # fmt: skip
        return array

    def frozen(self) -> Self:
        duplicate = copy(self)
        duplicate.layers = duplicate._trained = tuple(layer.frozen() for layer in self.layers)
        return duplicate

    def walk(self) -> Iterator[Layer]:
        yield self
        for layer in self.layers:
            yield from layer.walk()

    def leaves(self, x: Shape, path: str) -> Iterator[Leaf]:
        for position, layer in in_order(self.layers):
            yield from layer.leaves(x, self.path_of(path, position, layer))
            x = layer.declare(x).y

    def bind_forward(self, binder: Binder, path: str, x: Place) -> Place:
        for position, layer in in_order(self.layers):
            x = layer.bind_forward(binder, self.path_of(path, position, layer), x)
        return x

    def bind_backward(self, binder: Binder, path: str, dy: Place, needs_dx: bool) -> Place | None:
        learning = (position for position, layer in enumerate(self.layers) if binder.learns(layer))
        first = 0 if needs_dx else next(learning, len(self.layers))
        self._trained = self.layers[first:]
        place: Place | None = dy
        for position, layer in reversed(in_order(self.layers)):
            if place is not None and position >= first:
                own = self.path_of(path, position, layer)
                place = layer.bind_backward(binder, own, place, needs_dx or position > first)
        return place if needs_dx else None

    def path_of(self, path: str, position: int, layer: Layer) -> str:
        """Return the path of a layer of this chain: its name, or its position, after that of the chain.

        Args:
            path: Of this chain in the network; empty for the network itself.
            position: Of the layer in the chain.
            layer: The layer.
        """
        own = layer.name or str(position)
        return f"{path}.{own}" if path else own


class Residual(Sequential):
    """Short cut around a chain: y = x + f(x)  (He et al. 2016, equation 1)."""

    def declare(self, x: Shape) -> Declaration:
        y = super().declare(x).y
        if y != x:
            raise ShapeError(
                f"{self.label}: output of the layers inside",
                expected=shape_text(x) + ", the shape of their input",
                got=shape_text(y),
                fix="end them with a layer that restores the shape",
            )
        return Declaration(y=x)

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.add(self._run(ops, "forward", x), x, out=self.y)
        return self.y

    def infer(self, ops: Ops, x: Array) -> Array:
        ops.add(self._run(ops, "infer", x), x, out=self.y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dx = dy + dy ∂f/∂x"""
        inner = self._run(ops, "backward", dy)
        if self.dx is not None and inner is not None:
            ops.add(inner, dy, out=self.dx)
        return self.dx

    def bind_forward(self, binder: Binder, path: str, x: Place) -> Place:
        self.declare(x.shape)
        binder.depth += 1  # x outlives the layers inside, so they work in slots of their own
        super().bind_forward(binder, path, replace(x, free=False))
        binder.depth -= 1
        if binder.training:
            request = Request(f"{path}.y", x.shape, binder.dtype, "activations")
        else:
            request = binder.slot("y", x.shape, "activations")
        binder.attach(self, "y", request)
        return Place(request, True)

    def bind_backward(self, binder: Binder, path: str, dy: Place, needs_dx: bool) -> Place | None:
        binder.depth += 1  # dy outlives the layers inside
        super().bind_backward(binder, path, replace(dy, free=False), needs_dx)
        binder.depth -= 1
        dx = Place(binder.slot("dy", dy.shape, "workspaces"), True) if needs_dx else None
        binder.attach(self, "dx", dx.request if dx else None)
        return dx


def _how_to_pass(value: object) -> str:
    if isinstance(value, type):
        return f"write {value.__name__}(), not {value.__name__}"
    if isinstance(value, list | tuple):
        return "unpack the list: Network(*layers)"
    return "pass layer objects"


def in_order(layers: tuple[Layer, ...]) -> list[tuple[int, Layer]]:
    """Return layers and their positions in the order in which they run: as written, but selecting before mapping.

    max(f(a), f(b)) = f(max(a, b)) for a nondecreasing f. So max-pooling goes before the ReLU in front of it, which
    then has K² times fewer numbers to map, and the same derivative.
    """
    order = list(enumerate(layers))
    for k in range(1, len(order)):
        if order[k - 1][1].monotone and order[k][1].selects:
            order[k - 1 : k + 1] = order[k], order[k - 1]
    return order


def clone(layer: BorrowerT) -> BorrowerT:
    """Return a copy of a layer and of those inside it, or of a loss, without weights and the arrays lent to them."""
    duplicate = without_lent(layer)
    if isinstance(duplicate, Sequential):
        duplicate.layers = duplicate._trained = tuple(map(clone, duplicate.layers))
    if isinstance(ops := getattr(duplicate, "ops", None), Ops):
        vars(duplicate)["ops"] = ops.apart()
    return duplicate
