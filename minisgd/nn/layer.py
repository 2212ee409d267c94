"""What a layer is: a declaration of the arrays it needs, and the methods that use them.

Alphabet of shapes: R replicas (the leading axes, written …), B batch, I in, O out, C channels, H W image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING

from minisgd.backend import Ops
from minisgd.checks import require_kind
from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn.declaration import Declaration
from minisgd.nn.lending import Borrower
from minisgd.typing import Array, HostArray, Shape

if TYPE_CHECKING:
    from minisgd.nn.binding import Binder, Place


@dataclass(frozen=True)
class Leaf:
    """A layer at its place in the network, with the arrays it declared there."""

    path: str
    layer: Layer
    x: Shape
    declaration: Declaration


class Layer(Borrower):
    """A differentiable map of arrays.

    A subclass declares its arrays in ``declare`` and finds them as attributes of the declared names when
    ``forward`` and ``backward`` run: views into memory that the network allocated. It never allocates.

    x (…, B, *in)   y (…, B, *out)   dy like y   dx like x, or None where nobody needs it

    Args:
        name: For messages and for the names of the parameters; by default the layer's position.

    Raises:
        ArgumentError: If the name is not a word without dots.
    """

    x: Array
    y: Array
    dx: Array | None
    lead: Shape = ()
    """The replica axes in front of the batch axis."""
    stream: int
    seeds: tuple[int, ...]
    clock: Array
    """For layers that draw random numbers: which sequence, one seed a replica, and the time, () int64."""

    name: str | None = None
    couples_batch = False
    """True if an example's output depends on the other examples of its batch."""
    order_matters = False
    """True if it depends on which of them stand beside it, so that even the full batch has to be shuffled."""
    monotone = False
    """True if y is a nondecreasing function of x, element by element, with derivative 0 wherever it is constant."""
    selects = False
    """True if y consists of elements of x, chosen by their order alone."""
    learns = True
    """False for a frozen layer, whose backward pass computes dx alone: there are no arrays for gradients."""
    largest_image: int | None = None
    """Numbers in the largest image that some layer of the same network reads or writes; None without images."""

    def __init__(self, name: str | None = None) -> None:
        if name is not None and (not isinstance(name, str) or name.isdigit() or not name or "." in name):
            # names and positions together make the paths of parameters, "block.0.W"
            raise ArgumentError(
                f"{type(self).__name__}: name", expected="a word without dots", got=name, fix="name='hidden'"
            )
        self.name = name

    # ------------------------------------------------ what a subclass writes

    def declare(self, x: Shape) -> Declaration:
        """Return the arrays needed for an input of shape (B, …); refuse a shape that does not fit.

        Args:
            x: The shape of the input, (B, …), without replica axes.

        Returns:
            Parameters, statistics and buffers, and the shape of y.

        Raises:
            ShapeError: If the layer cannot take such an input.
        """
        raise NotImplementedError

    def forward(self, ops: Ops, x: Array) -> Array:
        """Compute y from x, keeping what backward needs.

        A layer that runs others asks for their methods by ``ops.method(layer, "forward")``: the device may have a
        body of its own, and the arrays that were bound are those which that body declares.

        Args:
            ops: The operations of the device that the layer's arrays are on.
            x: (…, B, *in).

        Returns:
            y, (…, B, *out).
        """
        raise NotImplementedError

    def infer(self, ops: Ops, x: Array) -> Array:
        """Compute y from x as in evaluation: as in training, unless a layer says otherwise.

        Args:
            ops: The operations of the device that the layer's arrays are on.
            x: (…, B, *in).

        Returns:
            y, (…, B, *out).
        """
        y: Array = ops.method(self, "forward")(ops, x)
        return y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """Compute dx and the gradients of the parameters from dy, the gradient of the loss with respect to y.

        Args:
            ops: The operations of the device that the layer's arrays are on.
            dy: ∂L/∂y, (…, B, *out).

        Returns:
            dx = ∂L/∂x, (…, B, *in), or None where nobody needs it.
        """
        raise NotImplementedError

    def check_input(self, x: HostArray, scale: float) -> None:
        """Refuse examples that the layer cannot read where it is the first; called with all of a data set's.

        Args:
            x: Examples as they are stored, (N, *in).
            scale: What they are multiplied with on the way to the layer.

        Raises:
            DataError: If an example is outside the layer's domain.
        """

    def frozen(self) -> Layer:
        """Return a layer whose forward and backward pass are those of this one in evaluation.

        That is this layer itself where training and evaluation are the same. The others return one whose
        parameters and statistics have the same names.

        Raises:
            ArgumentError: If the layer has an ``infer`` of its own and does not say what it is frozen.
        """
        if type(self).infer is not Layer.infer:
            expected = "a layer that can be differentiated as in evaluation"
            fix = "override frozen() to return a layer whose forward is this one's infer"
            raise ArgumentError(self.label, expected=expected, got="infer() without frozen()", fix=fix)
        return self

    # ------------------------------------------------ how layers compose

    def walk(self) -> Iterator[Layer]:
        """Yield this layer and those inside it."""
        yield self

    def leaves(self, x: Shape, path: str) -> Iterator[Leaf]:
        """Yield the layers inside this one, itself if there are none, in forward order.

        Args:
            x: The shape of the input, (B, …).
            path: Of this layer in the network, such as "block.0".
        """
        yield Leaf(path, self, x, self.declared(self.declare(x)))

    def declared(self, declaration: Declaration) -> Declaration:
        """Return a declaration of this layer as it holds: in a frozen layer no parameter learns.

        Args:
            declaration: What ``declare`` returned.
        """
        expected, fix = "a method that returns an ms.Declaration", "end it with: return ms.Declaration(y=x)"
        require_kind(declaration, Declaration, f"{self.label}: declare", expected, fix)
        return declaration if self.learns else declaration.without_learning()

    def bind_forward(self, binder: Binder, path: str, x: Place) -> Place:
        """Request the arrays of the forward pass; return the place of y.

        Args:
            binder: Collects the requests.
            path: Of this layer in the network.
            x: Where the input lies.
        """
        return binder.leaf_forward(self, path, x, self.declared(binder.method(self, "declare")(x.shape)))

    def bind_backward(self, binder: Binder, path: str, dy: Place, needs_dx: bool) -> Place | None:
        """Request the arrays of the backward pass; return the place of dx, or None where nobody needs it.

        Args:
            binder: Collects the requests.
            path: Of this layer in the network.
            dy: Where ∂L/∂y lies.
            needs_dx: Whether somebody below needs ∂L/∂x.
        """
        return binder.leaf_backward(self, path, dy, needs_dx)

    # ------------------------------------------------ how a layer is spoken of

    @property
    def label(self) -> str:
        """The name in messages and listings: Linear 'hidden', or Linear."""
        kind = type(self).__name__
        return f"{kind} {self.name!r}" if self.name else kind

    def settings(self) -> str:
        """The hyper-parameters, as the constructor would be written: by position, or where not at their default.

        Each is an attribute of the same name. A class outside minisgd has those of the class that it is derived from.
        """
        ours = (kind for kind in type(self).__mro__ if kind.__module__.startswith("minisgd."))
        constructor = signature(next(kind for kind in ours if "__init__" in vars(kind)))
        written: list[str] = []
        for argument in constructor.parameters.values():
            if argument.name in ("name", "init", "bias_init"):
                continue
            value = getattr(self, argument.name)
            if argument.kind is argument.VAR_POSITIONAL:
                written += map(repr, value)
            elif argument.kind is not argument.KEYWORD_ONLY:
                written.append(repr(value))
            elif value != argument.default:
                written.append(f"{argument.name}={value!r}")
        return ", ".join(written)

    def options(self, **defaults: object) -> str:
        """Return those keyword arguments that are not at their default, as they would be written.

        Args:
            defaults: Keyword arguments of the constructor, with their defaults.
        """
        chosen = {name: getattr(self, name) for name in defaults}
        return "".join(f", {name}={value!r}" for name, value in chosen.items() if value != defaults[name])

    def __repr__(self) -> str:
        name = f"name={self.name!r}" if self.name else ""
        return f"{type(self).__name__}({', '.join(filter(None, [self.settings().removeprefix(', '), name]))})"

    # ------------------------------------------------ refusals shared by layers

    def require_rank(self, x: Shape, rank: int, meaning: str, fix: str) -> None:
        """Refuse an input that has not ``rank`` axes, batch included.

        Args:
            x: The shape of the input, (B, …).
            rank: How many axes it must have.
            meaning: What the axes are, for the message.
            fix: How to mend it, for the message.

        Raises:
            ShapeError: If it has another number of axes.
        """
        if len(x) != rank:
            raise ShapeError(f"{self.label}: x", expected=meaning, got=shape_text(x), fix=fix)


def shape_text(x: Shape) -> str:
    """Write a shape with the batch axis as B: (B, 28, 28)."""
    return "(" + ", ".join(["B", *map(str, x[1:])]) + ")"
