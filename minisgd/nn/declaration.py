"""What a layer declares: parameters, statistics, work arrays, and the shape of its output."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from minisgd.nn.initializers import Constant, Initializer
from minisgd.nn.layout import Kind
from minisgd.typing import Shape


@dataclass(frozen=True)
class Parameter:
    """A tensor that is learned: attribute ``name`` holds it, ``d<name>`` its gradient.

    Args:
        shape: Without replica axes.
        init: Draws the first value.
        kind: "weight", "bias" or "norm": what decay, clipping and layer-wise rates go by.
        fan_in: Inputs of an output, for the initializer.
        fan_out: Outputs of an input, for the initializer.
        rows: The buffer of indices that names the only rows with a gradient, where the layer is to be trained by them.
    """

    shape: Shape
    init: Initializer
    kind: Kind = "weight"
    fan_in: int = 1
    fan_out: int = 1
    rows: str | None = None


@dataclass(frozen=True)
class Statistic:
    """A tensor that is kept beside the parameters but not learned (running mean and variance).

    Args:
        shape: Without replica axes.
        init: The first value; 0 by default.
        constant: True for a parameter that does not learn: a training run never writes it.
        fan_in: Inputs of an output, for the initializer.
        fan_out: Outputs of an input, for the initializer.
    """

    shape: Shape
    init: Initializer = Constant(0.0)
    constant: bool = False
    fan_in: int = 1
    fan_out: int = 1


@dataclass(frozen=True)
class Buffer:
    """A work array, shape with the batch axis and without replica axes.

    Args:
        shape: (B, …).
        life: "kept" from forward to backward; "scratch" within one call, so that layers share it; "own", never
            shared, for content that is written once (a border of zeros); or "network", one array of that name for all
            layers, such as a mask that the first writes and others read.
        over: The array of the layer whose storage it may take over: "x" in forward, because the layer is done with
            x once this buffer is written.
        inference: Whether evaluation needs it too.
        dtype: By default that of the network.
    """

    shape: Shape
    life: Literal["kept", "scratch", "own", "network"] = "kept"
    over: Literal["x", None] = None
    inference: bool = True
    dtype: str | None = None


@dataclass(frozen=True)
class Declaration:
    """The arrays of a layer for one input shape (B, …).

    Args:
        y: The shape of the output, (B, …).
        parameters: By attribute.
        statistics: By attribute.
        buffers: By attribute.
        keeps_y: Backward reads y, so the next layer must not write over it. (Nobody writes over x but y does.)
        y_over_x: y may overwrite x (see Buffer).
        dx_over_dy: dx may overwrite dy.
        reshapes: y is x itself, seen in another shape.
        infer: In evaluation, where backward needs nothing, y has its own memory, is written over x, or is x.
        clock: The layer draws random numbers, and gets ``seeds``, ``clock`` and ``stream``.
    """

    y: Shape
    parameters: dict[str, Parameter] = field(default_factory=dict)
    statistics: dict[str, Statistic] = field(default_factory=dict)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    keeps_y: bool = False
    y_over_x: bool = False
    dx_over_dy: bool = False
    reshapes: bool = False
    infer: Literal["own", "over x", "x"] = "own"
    clock: bool = False

    def without_learning(self) -> Declaration:
        """Return the same arrays with the parameters among the statistics, where no gradient and no optimizer is."""
        constant = {name: Statistic(p.shape, p.init, True, p.fan_in, p.fan_out) for name, p in self.parameters.items()}
        return replace(self, parameters={}, statistics=constant | self.statistics)
