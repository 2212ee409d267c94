"""The network: a chain of layers whose parameters are one point in R^P."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np

from minisgd.backend import Ops, get_ops
from minisgd.checks import is_integer, is_iterable, is_word, positive, require_kind
from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn.adapters import Adapter, LoRA, adapt, merged
from minisgd.nn.binding import Binder
from minisgd.nn.drawing import as_seeds, draw, require_memory
from minisgd.nn.freezing import freeze
from minisgd.nn.inference import Inference, checked_examples
from minisgd.nn.initializers import Initializer, require_rule
from minisgd.nn.layer import Layer, Leaf
from minisgd.nn.layers.embedding import Embedding
from minisgd.nn.layout import Layout
from minisgd.nn.lending import lend
from minisgd.nn.sequential import Sequential, clone
from minisgd.nn.shapes import row
from minisgd.nn.weights import load_weights, save_weights
from minisgd.tables import Table
from minisgd.typing import Array, HostArray, Seed, Shape

DTYPES = ("float32", "float64")


class Network(Sequential):
    """A chain of layers with all parameters in one flat vector.

    vector (…, P) parameters   statistics (…, S) running means and variances;  … are replica axes.

    ``Network(layers…)`` only describes; ``build`` infers the shapes from the input and draws the weights.
    ``ms.train`` builds a copy and never changes the network it is given.

    >>> net = Network(Linear(128), BatchNorm(), ReLU(), Linear(10))

    Args:
        layers: In the order in which they run.
        name: For messages.

    Raises:
        ArgumentError: If there is no layer, two have the same name, or padding is left out that no embedding finds.
    """

    _lent = frozenset({"vector", "statistics"})

    def __init__(self, *layers: Layer, name: str | None = None) -> None:
        super().__init__(*layers, name=name)
        self._check_names()
        self._check_padding()
        self.ops: Ops
        self.input_shape: Shape | None = None
        self.input_scale = 1.0
        """What uint8 inputs are multiplied with: 1/255 for images."""
        self.classes: tuple[str, ...] | None = None
        """Names of the classes, where the network was trained on named ones."""
        self.output_scale: tuple[HostArray, HostArray] | None = None
        """Mean and standard deviation of regression targets, (O,) each: predictions are given back in their units."""
        self.dtype = "float32"
        self.lead = ()
        self.layout = Layout(())
        self.statistics_layout = Layout(())
        self.vector: Array
        self.statistics: Array

    # ------------------------------------------------ building

    @property
    def is_built(self) -> bool:
        """True once the network has weights."""
        return hasattr(self, "vector")

    def describe(self, input_shape: Shape) -> list[Leaf]:
        """Return every layer that has none inside, declared for a batch of one; refuse a shape that does not fit.

        Args:
            input_shape: The shape of one example.

        Raises:
            ShapeError: If a layer does not fit the one before it.
        """
        shape = as_input_shape(input_shape)
        return list(self.leaves((1, *shape), ""))

    def build(
        self,
        input_shape: Shape,
        *,
        seeds: Seed | Sequence[Seed] = 0,
        dtype: str = "float32",
        ops: Ops | None = None,
        init: Initializer | None = None,
    ) -> Self:
        """Infer all shapes from the shape of one example and draw the weights; return the network itself.

        The weights of a seed are the same whatever the device, the dtype and the number of replicas.

        Args:
            input_shape: Of one example, (F,) or (H, W, C).
            seeds: One, or a sequence of R for R replicas with a leading axis (R, P).
            dtype: "float32" or "float64".
            ops: The operations of a device; those of the CPU by default.
            init: A rule for all weights instead of each layer's own; biases are then zero, norms as they are.

        Raises:
            ShapeError: If a layer does not fit the one before it.
            ArgumentError: For another dtype.
        """
        require_rule(init, "init")
        if ops is not None:
            require_kind(ops, Ops, "ops", "the operations of a device", "for example network.ops")
        self.shape_only(input_shape, dtype, ops)
        require_memory(self.layout)
        leaves = self.describe(input_shape)
        single = isinstance(seeds, int | np.integer)
        drawn = [draw(leaves, seed, init) for seed in as_seeds([seeds] if single else seeds)]
        self.lead = () if single else (len(drawn),)
        stacks = (np.stack(rows) if self.lead else rows[0] for rows in zip(*drawn, strict=True))  # (…, P) and (…, S)
        self.vector, self.statistics = (self._duplicate(rows.astype(self.dtype)) for rows in stacks)
        return self

    def shape_only(self, input_shape: Shape, dtype: str, ops: Ops | None = None) -> Self:
        """Infer all shapes without drawing weights, enough to plan a training run; return the network itself.

        Args:
            input_shape: The shape of one example.
            dtype: "float32" or "float64".
            ops: The operations of a device; the CPU's by default.

        Raises:
            ArgumentError: For another dtype.
        """
        if not is_word(dtype, DTYPES):
            raise ArgumentError("dtype", expected="'float32' or 'float64'", got=dtype, fix="choose one of them")
        self.ops = ops or get_ops()
        leaves = self.describe(input_shape)
        self.layout = Layout(
            (f"{leaf.path}.{name}", p.shape, p.kind)
            for leaf in leaves
            for name, p in leaf.declaration.parameters.items()
        )
        self.statistics_layout = Layout(
            (f"{leaf.path}.{name}", s.shape, "constant" if s.constant else "running")
            for leaf in leaves
            for name, s in leaf.declaration.statistics.items()
        )
        self.input_shape, self.dtype = as_input_shape(input_shape), dtype
        images = [prod(shape[1:]) for leaf in leaves for shape in (leaf.x, leaf.declaration.y) if len(shape) == 4]
        for leaf in leaves:
            leaf.layer.largest_image = max(images, default=None)
        return self

    def copy(self) -> Self:
        """Return a network of the same layers and its own copy of the weights, if it has any."""
        duplicate = clone(self)
        if self.is_built:
            duplicate.vector, duplicate.statistics = map(self._duplicate, (self.vector, self.statistics))
        return duplicate

    def moved(self, ops: Ops) -> Self:
        """Return a copy whose weights are arrays of these operations' device.

        Args:
            ops: The operations of the device.
        """
        self.require_built()
        assert self.input_shape is not None
        duplicate = clone(self).shape_only(self.input_shape, self.dtype, ops)
        host = map(self.ops.to_host, (self.vector, self.statistics))
        duplicate.vector, duplicate.statistics = map(duplicate._duplicate, host)
        return duplicate

    def to(self, device: str) -> Self:
        """Return a copy on a device: "cpu", "cuda", or "auto", which is "cuda" where that works.

        Args:
            device: "cpu", "cuda" or "auto".

        Raises:
            ArgumentError: If the network has no weights, or the device another name.
            MissingExtraError: If the device cannot be used.
        """
        return self.moved(get_ops(device))

    def to_numpy(self) -> dict[str, HostArray]:
        """Return parameters and running statistics by name as NumPy arrays of their own, from any device."""
        arrays = self.parameters() | self.running_statistics()
        return {name: self.ops.to_host(array) for name, array in arrays.items()}

    def replica(self, index: int) -> Self:
        """Return one network of a stack of replicas, with its own copy of the weights.

        Args:
            index: From 0 to R − 1.

        Raises:
            ArgumentError: If there is no such replica.
        """
        self.require_built()
        if not self.lead or not 0 <= index < self.lead[0]:
            fix = f"choose from 0 to {self.lead[0] - 1}" if self.lead else "this network is a single one: copy it"
            raise ArgumentError("index", expected="the number of a replica", got=index, fix=fix)
        duplicate = clone(self)
        duplicate.lead = ()
        duplicate.vector, duplicate.statistics = (self._duplicate(a[index]) for a in (self.vector, self.statistics))
        return duplicate

    def __getstate__(self) -> dict[str, Any]:
        weights = {"vector": self.vector, "statistics": self.statistics} if self.is_built else {}
        return super().__getstate__() | {name: self.ops.to_host(array) for name, array in weights.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.is_built:
            self.vector, self.statistics = map(self._duplicate, (self.vector, self.statistics))

    def _duplicate(self, array: Array) -> Array:
        """Return a copy on the network's device of an array there or on the host."""
        duplicate = self.ops.zeros(array.shape, self.dtype)
        self.ops.upload(array, out=duplicate)
        return duplicate

    # ------------------------------------------------ parts that do not train

    def freeze(self, names: str | Sequence[str]) -> Self:
        """Return a copy with the same weights in which the layers of these names do not learn.

        They compute what they compute in evaluation (no dropout, batch normalisation by its running statistics), and
        their weights are constants: no gradient, no state of an optimizer, no backward pass below the first layer that
        learns.

        Args:
            names: Of layers or of blocks of layers, ``*`` for any characters: "hidden*", or ["block1", "norm"].

        Raises:
            ArgumentError: If a name matches no layer.
        """
        return freeze(self, names)

    def adapt(self, names: str | Sequence[str], kind: type[LoRA | Adapter], **options: Any) -> Self:
        """Return a copy with its dense layers of these names inside adapters, which learn in their place.

        It computes the same until it is trained. Other layers stay as they are:
        ``net.freeze("*").adapt("hidden*", ms.LoRA, rank=4)`` trains the adapters alone.

        Args:
            names: Of layers or of blocks of layers, ``*`` for any characters.
            kind: `LoRA` or `Adapter`.
            options: Of the adapter, such as rank=4 or width=8.

        Raises:
            ArgumentError: If a name matches no layer.
        """
        return adapt(self, names, kind, **options)

    def merged(self) -> Self:
        """Return a copy in which every `LoRA` is one dense layer, W + s A B: the same outputs at the old price."""
        return merged(self)

    # ------------------------------------------------ files

    def save(self, path: str | Path, *, learned_only: bool = False) -> Path:
        """Write the weights as a safetensors file, whole or not at all; return its path.

        Args:
            path: Where to write it.
            learned_only: Leave out the weights of frozen layers, which another file has: that of the network they are
                from. `load` on a network with those weights adds these.

        Raises:
            OutputError: If the file cannot be written.
            ArgumentError: If there are no weights.
        """
        return save_weights(self, path, learned_only=learned_only)

    def load(self, path: str | Path) -> Self:
        """Return a copy of this network with the weights of a file; shapes and replicas are inferred from the file.

        Args:
            path: A file that `save` wrote.

        Returns:
            A network with weights. Those that a file of ``learned_only`` lacks are this network's.

        Raises:
            CheckpointError: If the file is missing, damaged or belongs to another network.
        """
        return load_weights(self, path)

    # ------------------------------------------------ looking inside

    @property
    def n_parameters(self) -> int:
        """P, the number of learned values."""
        return self.layout.size

    def parameters(self) -> dict[str, Array]:
        """Return the parameters by name, as views into the vector."""
        self.require_built()
        return {segment.name: segment.view(self.vector) for segment in self.layout}

    def running_statistics(self) -> dict[str, Array]:
        """Return the running statistics by name, as views."""
        self.require_built()
        return {segment.name: segment.view(self.statistics) for segment in self.statistics_layout}

    @property
    def output_shape(self) -> Shape:
        """The shape of the prediction for one example."""
        assert self.input_shape is not None
        return self.declare((1, *self.input_shape)).y[1:]

    def require_built(self) -> None:
        """Refuse to go on without weights."""
        if not self.is_built:
            fix = "train it with ms.train, load weights with network.load(file), or call network.build(input_shape)"
            raise ArgumentError("network", expected="built, with weights", got="a description without weights", fix=fix)

    # ------------------------------------------------ attaching memory to layers

    def attach(self, input_shape: Shape, vector: Array, statistics: Array, gradient: Array | None) -> None:
        """Give the layers their views: parameters, gradients (if a backward pass follows), statistics.

        Args:
            input_shape: The shape of one example.
            vector: Parameters, (…, P).
            statistics: Running statistics, (…, S).
            gradient: Where the gradient is written, (…, P), or None where no backward pass follows.
        """
        layers = {leaf.path: leaf.layer for leaf in self.describe(input_shape)}
        held = [(self.layout, vector, ""), (self.statistics_layout, statistics, "")]
        if gradient is not None:
            held.append((self.layout, gradient, "d"))
        for layout, array, prefix in held:
            for segment in layout:
                path, _, name = segment.name.rpartition(".")
                lend(layers[path], prefix + name, row(segment.view(array), segment.shape))

    def binder(self, training: bool) -> Binder:
        """Return a binder for this network's dtype and device.

        Args:
            training: Whether a backward pass follows.
        """
        return Binder(self.dtype, training, self.ops.method)

    # ------------------------------------------------ using it

    def predict(self, x: HostArray, *, batch_size: int = 256) -> HostArray:
        """Return the outputs for examples, computed in batches as in evaluation.

        Args:
            x: Examples, (N, …): floats, or uint8 that are scaled as in training.
            batch_size: Examples at a time.

        Returns:
            The outputs, (N, *output), or (R, N, *output) for R replicas; in the units of the targets, as float64, where
            these were standardized for training.

        Raises:
            ShapeError: If x has not the shape that the network was built for.
            DtypeError: If x is no NumPy array of numbers.
            ArgumentError: If the network has no weights.
        """
        self.require_built()
        batch_size = positive(batch_size, "batch_size")
        inference: Inference | None = getattr(self, "_inference", None)
        if inference is None or not inference.serves(self, batch_size):
            own = clone(self)  # binding changes layers, and another thread may be predicting as well
            own.vector, own.statistics = self.vector, self.statistics
            inference = Inference(own, batch_size)
            lend(self, "_inference", inference)  # for the next call; copies record their own
        return inference.predict(checked_examples(self, x))

    def summary(self, input_shape: Shape | None = None) -> Table:
        """Return a table of the layers, as text or in a notebook: their outputs and how many values they learn.

        Args:
            input_shape: Shape of one example; a network that was trained or built knows its own.

        Raises:
            ArgumentError: If the shape of an example is not known.
            ShapeError: If a layer does not fit the one before it.
        """
        shape = self.input_shape if input_shape is None else input_shape
        if shape is None:
            fix = "pass the shape of one example, such as net.summary((64,)), or train the network first"
            raise ArgumentError("input_shape", expected="given for a network without shapes", got=None, fix=fix)
        leaves = self.describe(shape)
        learned = [sum(prod(p.shape) for p in leaf.declaration.parameters.values()) for leaf in leaves]
        rows = [
            (
                f"{leaf.path}  {type(leaf.layer).__name__}{'' if leaf.layer.learns else ', frozen'}",
                "×".join(map(str, leaf.declaration.y[1:])),
                f"{n:,}",
            )
            for leaf, n in zip(leaves, learned, strict=True)
        ]
        title = f"Network, input {'×'.join(map(str, as_input_shape(shape)))}"
        return Table(("layer", "output", "parameters"), [*rows, ("in all", "", f"{sum(learned):,}")], title)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>" if self.input_shape is None else self.summary()._repr_html_()

    def _check_padding(self) -> None:
        """Refuse layers that ask where padding is without an embedding before them that knows."""
        known = False
        for layer in self.walk():
            padding = getattr(layer, "padding", None)
            known |= isinstance(layer, Embedding) and padding is not None
            if padding is True and not known:
                fix = "begin with ms.Embedding(…, padding=0)"
                raise ArgumentError(f"{layer.label}: padding", expected="False", got=True, fix=fix)

    def _check_names(self) -> None:
        names = [layer.name for layer in self.walk() if layer.name]
        for name in names:
            if names.count(name) > 1:
                raise ArgumentError(f"layer name {name!r}", expected="unique", got=f"{names}", fix="rename the layer")

    def __repr__(self) -> str:
        inner = ",\n    ".join(map(repr, self.layers))
        size = f"  # {self.n_parameters:,} parameters" if self.is_built else ""
        return f"Network(\n    {inner},\n){size}"


def require_network(value: Any) -> None:
    """Refuse what is no network."""
    require_kind(value, Network, "network", "an ms.Network", "wrap the layers: ms.Network(...)")


def as_input_shape(shape: Any) -> Shape:
    """Return the shape of one example, or refuse it."""
    sizes = list(shape) if is_iterable(shape) else [shape]
    if not sizes or any(not is_integer(n) or n < 1 for n in sizes) or prod(map(int, sizes)) >= 1 << 48:
        raise ShapeError(
            "input_shape", expected="the shape of one example", got=shape, fix="for example (784,) or (28, 28, 1)"
        )
    return tuple(int(n) for n in sizes)
