"""``ms.explain``: the recorded training step, read line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisgd.backend import Call, Ops, Program
from minisgd.checks import positive, require_flag, require_kind
from minisgd.data.sampling import Sequential
from minisgd.errors import ArgumentError
from minisgd.nn import Loss, Network, SoftmaxCrossEntropy
from minisgd.nn.layer import Layer, Leaf
from minisgd.nn.network import as_input_shape, require_network
from minisgd.nn.sequential import clone
from minisgd.optim import ConstantBatch, Optimizer
from minisgd.training.cost import bytes_moved, flops, formula
from minisgd.training.explain.explanation import Explanation, Line, fold
from minisgd.training.explain.naming import Names, constant
from minisgd.training.explain.timing import time_calls
from minisgd.training.explain.trace import require_layers, with_norms
from minisgd.training.feeds.feed import ExampleSpec, Feed, HostData
from minisgd.training.memory import loss_for, optimizer_for
from minisgd.training.recipe import Recipe
from minisgd.training.session import Session
from minisgd.training.trace import TraceResult
from minisgd.typing import Array, Shape


def explain(
    network: Network,
    batch_size: int = 32,
    *,
    input_shape: Shape | None = None,
    optimizer: Optimizer | None = None,
    loss: Loss | None = None,
    dtype: str = "float32",
    time: bool = False,
    trace: TraceResult | None = None,
) -> Explanation:
    """Record one training step and return what it does: a line for every array call. The network is not changed.

    Args:
        network: The network, with or without weights.
        batch_size: B, examples of the batch.
        input_shape: Shape of one example; a network that has weights knows its own.
        optimizer: The optimizer; SGD(lr=0.1) by default.
        loss: The loss; softmax cross-entropy by default.
        dtype: "float32" or "float64".
        time: Measure every call as well: median microseconds.
        trace: Norms of a training run of this network, to be added to the lines (see ``ms.Trace``).

    Returns:
        The calls with formulas, shapes, FLOPs and bytes; ``print`` writes them as a table.

    Raises:
        ShapeError: If the network does not fit the input.
        ArgumentError: Without an input shape, for a batch size that is not positive, or for the trace of
            another network.
    """
    positive(batch_size, "batch_size")
    require_network(network)
    require_flag(time, "time")
    optimizer, loss = optimizer_for(optimizer), loss_for(loss, "classification")
    if trace is not None:
        require_kind(trace, TraceResult, "trace", "what ms.Trace measured, or None", "pass trace.result")
    shape = network.input_shape if input_shape is None else input_shape
    if shape is None:
        raise ArgumentError(
            "input_shape", expected="the shape of one example", got=None, fix="for example (784,) or (28, 28, 1)"
        )
    session = _session(network, batch_size, shape, optimizer, loss, dtype)
    announcer = _Announcer(session.network)
    if trace is not None:
        require_layers(trace, list(announcer.arrays))
    with session.ops.observed_by(announcer):
        gather, gradient, index = session.record_gradient(batch_size)
    session.ops.upload(np.arange(batch_size), out=index)
    programs = [gather, session.interpolation, gradient, session.record_update()]
    micros = time_calls(programs) if time else None
    lines = _read(session, programs, announcer.arrays, micros)
    recipe, net = session.recipe, session.network
    assert net.input_shape is not None
    return Explanation(
        batch_size=batch_size,
        input_shape=net.input_shape,
        parameters=net.n_parameters,
        dtype=dtype,
        loss=repr(recipe.loss),
        optimizer=recipe.optimizer.describe(),
        lines=fold(lines if trace is None else with_norms(lines, trace)),
        traced=None if trace is None else (int(trace.steps[0]), int(trace.steps[-1])),
        native_calls=sum(program.executors().count("native") for program in programs) if time else None,
    )


# ------------------------------------------------ recording


def _session(network: Network, b: int, input_shape: Shape, optimizer: Optimizer, loss: Loss, dtype: str) -> Session:
    """Return a session on b made-up examples."""
    net, input_shape = clone(network).build(input_shape, dtype=dtype), as_input_shape(input_shape)
    loss, rng = clone(loss), np.random.default_rng(0)
    outputs = net.output_shape
    if isinstance(loss, SoftmaxCrossEntropy):
        spec = ExampleSpec(input_shape, dtype, "labels", ())
        y = rng.integers(outputs[-1], size=b)
    else:
        spec = ExampleSpec(input_shape, dtype, "values", outputs)
        y = rng.random((b, *outputs)).astype(dtype)
    x = rng.standard_normal((b, *input_shape)).astype(dtype)
    data = HostData(x, y, None)
    recipe = Recipe(net, loss, optimizer, Feed(spec, dtype), b, b)
    return Session(recipe, data, Sequential(b, [0]), ConstantBatch(b), seeds=(0,))


class _Announcer:
    """Lets every layer name its calls by itself, not by a label that others share, and collects the dy it is given."""

    def __init__(self, network: Network) -> None:
        assert network.input_shape is not None
        self.leaves = {id(leaf.layer): leaf for leaf in network.describe(network.input_shape)}
        self.arrays: dict[str, dict[str, Array]] = {title(leaf): {} for leaf in self.leaves.values()}

    def __call__(self, part: object, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        leaf = self.leaves.get(id(part))
        if leaf is None or name not in ("forward", "backward"):
            return method

        def announced(ops: Ops, array: Array) -> Array | None:
            with ops.scope(layer=title(leaf)):
                result: Array | None = method(ops, array)
            given = {"dy": array} if name == "backward" else {}
            self.arrays[title(leaf)].update(arrays_of(leaf.layer) | given)
            return result

        return announced


def title(leaf: Leaf) -> str:
    """Name a layer by its kind and its path: Linear hidden, ReLU 2."""
    return f"{type(leaf.layer).__name__} {leaf.path}"


def arrays_of(owner: Layer | Loss) -> dict[str, Array]:
    """Return the arrays that a layer or a loss holds, by attribute."""
    return {name: value for name, value in vars(owner).items() if hasattr(value, "strides")}


# ------------------------------------------------ reading


def _read(
    session: Session, programs: Sequence[Program], given: dict[str, dict[str, Array]], micros: list[float] | None
) -> list[Line]:
    ops, loss = session.ops, session.recipe.loss
    memory = Names(ops, _memory(session))
    given[type(loss).__name__] = arrays_of(loss)
    calls = [call for program in programs for call in program]
    owners = {layer: Names(ops, arrays) for layer, arrays in given.items()}
    unnamed = Names(ops, {})
    return [
        _line(call, owners.get(call.layer, unnamed), memory, micros[position] if micros else None)
        for position, call in enumerate(calls)
    ]


def _line(call: Call, own: Names, memory: Names, microseconds: float | None) -> Line:
    reads = [own.read(a) or memory.read(a) or constant(a) for a in call.reads]
    result = own.write(call.out) or memory.write(call.out) or "?"
    return Line(
        call.phase,
        call.layer,
        call.op,
        formula(call, reads, result),
        tuple(tuple(a.shape) for a in (*call.reads, call.out)),
        flops(call),
        bytes_moved(call),
        microseconds,
    )


def _memory(session: Session) -> dict[str, Array]:
    """Return the memory that no layer answers for alone: w, g and their tensors, optimizer state, batch, data."""
    net, data, named = session.network, session.data, {"w": session.network.vector, "g": session.gradient}
    for segment in net.layout:
        owner, _, tensor = segment.name.rpartition(".")
        named[segment.name] = segment.view(net.vector)
        named[f"{owner}.d{tensor}"] = segment.view(session.gradient)
    labels = "labels" if session.recipe.feed.spec.kind == "labels" else "target"
    known = {"batch.x": "x", "batch.index": "index", "batch.target": labels}
    for key, storage in session.arena.storage.items():
        if key not in ("parameters", "gradient"):
            named[known.get(key, key.removeprefix("optimizer.").removeprefix("clip."))] = storage
    return named | {"data.x": data.x, "data.y": data.y}
