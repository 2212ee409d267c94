"""From declarations to arrays: one walk over the network says which memory every attribute takes.

The same walk serves the memory plan (nothing allocated), the full batch, and every shorter batch on slices
of the same memory. Storage is shared where the mathematics allows:

- a layer that is done with its input writes its output over it (ReLU over the dense layer before it);
- gradients with respect to activations live from one layer to the next, so two slots a nesting level are enough;
- scratch lives within one layer, so all layers share it;
- in evaluation nothing is kept, and activations too live in two slots a level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from minisgd.backend import Arena, Owner, Request
from minisgd.nn.declaration import Declaration
from minisgd.nn.layer import Layer
from minisgd.nn.lending import lend
from minisgd.typing import Shape


@dataclass(frozen=True)
class Place:
    """Where an array lies, and whether whoever reads it next may write over it."""

    request: Request
    free: bool

    @property
    def shape(self) -> Shape:
        return self.request.shape


@dataclass(frozen=True)
class Attachment:
    """One attribute of one layer that is to hold an array."""

    layer: Layer
    attribute: str
    request: Request | None


@dataclass
class Binder:
    """Walks a network and collects what each layer attribute needs.

    training: whether a backward pass follows; evaluation keeps nothing.
    method: of the device, as `Ops.method`: a body of its own may need other buffers than the textbook's
    """

    dtype: str
    training: bool
    method: Callable[[Layer, str], Callable[..., Any]]
    attachments: list[Attachment] = field(default_factory=list)
    depth: int = 0
    streams: int = 0
    _declared: dict[str, tuple[Declaration, Place]] = field(default_factory=dict)
    _learning: set[int] = field(default_factory=set)
    _side: dict[tuple[str, int], int] = field(default_factory=dict)

    # ------------------------------------------------ forward

    def leaf_forward(self, layer: Layer, path: str, x: Place, declared: Declaration) -> Place:
        """Place y and the buffers of a layer without children."""
        y = self._output(path, declared, x)
        self.attach(layer, "x", x.request)
        self.attach(layer, "y", y.request)
        for name, buffer in declared.buffers.items():
            if not (self.training or buffer.inference):
                continue
            dtype = buffer.dtype or self.dtype
            if buffer.life == "network":
                request = Request(f"network.{name}", buffer.shape, dtype, "activations")
            elif buffer.over == "x" and x.free and y.request.key != x.request.key:
                request = Request(x.request.key, buffer.shape, dtype, x.request.owner)
            elif self.training and buffer.life == "kept":
                request = Request(f"{path}.{name}", buffer.shape, dtype, "activations")
            elif buffer.life == "own":
                request = Request(f"{path}.{name}", buffer.shape, dtype, "workspaces")
            else:
                request = Request(f"scratch.{name}.{dtype}", buffer.shape, dtype, "workspaces")
            self.attach(layer, name, request)
        if not self.training:
            return y
        self._declared[path] = declared, x
        if declared.parameters:
            self._learning.add(id(layer))
        if declared.clock:
            self.streams += 1
            layer.stream = self.streams
        return replace(y, free=y.free and not declared.keeps_y)

    def _output(self, path: str, declared: Declaration, x: Place) -> Place:
        is_x = declared.reshapes or (declared.infer == "x" and not self.training)
        over_x = declared.y_over_x or (declared.infer == "over x" and not self.training)
        if is_x or (over_x and x.free):
            r = x.request
            return Place(Request(r.key, declared.y, r.dtype, r.owner, r.shared), x.free)
        if self.training:
            return Place(Request(f"{path}.y", declared.y, self.dtype, "activations"), True)
        return Place(self.slot("y", declared.y, "activations"), True)

    # ------------------------------------------------ backward

    def leaf_backward(self, layer: Layer, path: str, dy: Place, needs_dx: bool) -> Place | None:
        """Place dx of a layer without children."""
        declared, x = self._declared[path]
        dx = self._input_gradient(declared, x.shape, dy) if needs_dx else None
        self.attach(layer, "dx", dx.request if dx else None)
        return dx

    def _input_gradient(self, declared: Declaration, x: Shape, dy: Place) -> Place:
        if declared.reshapes or (declared.dx_over_dy and dy.free):
            return Place(Request(dy.request.key, x, dy.request.dtype, dy.request.owner), dy.free)
        return Place(self.slot("dy", x, "workspaces"), True)

    # ------------------------------------------------ shared

    def slot(self, what: str, shape: Shape, owner: Owner) -> Request:
        """Return a slot of this nesting level that the previous one does not occupy.

        Two take turns. For gradients of images there are three: where layers work on blocks in turn, a third
        one must not write over what the first has still to read.
        """
        slots = 3 if what == "dy" and len(shape) == 4 else 2
        side = self._side[what, self.depth] = (self._side.get((what, self.depth), 0) + 1) % slots
        return Request(f"{what}{self.depth}.{side}", shape, self.dtype, owner)

    def learns(self, layer: Layer) -> bool:
        """Tell whether a layer, or one inside it, has something to learn."""
        return any(id(each) in self._learning for each in layer.walk())

    def attach(self, layer: Layer, attribute: str, request: Request | None) -> None:
        """Note that the attribute is to hold the requested array."""
        self.attachments.append(Attachment(layer, attribute, request))

    def requests(self) -> list[Request]:
        """Return the memory that all attributes together ask for."""
        return [a.request for a in self.attachments if a.request is not None]

    def realize(self, arena: Arena, lead: Shape) -> None:
        """Set every attribute to its view of the arena."""
        for a in self.attachments:
            lend(a.layer, a.attribute, None if a.request is None else arena.view(a.request, lead))
            a.layer.lead = lead
