"""The gradient of every example: whole, or its squared norm alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.backend import Arena, Plan
from minisgd.checks import is_word
from minisgd.errors import ArgumentError
from minisgd.lab.instruments.examples.subject import Examples
from minisgd.nn import Loss, Network
from minisgd.nn.sequential import clone
from minisgd.tables import Shown, curves
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.binding import bind_training
from minisgd.training.example_pass import SquaredNorms
from minisgd.typing import HostArray

ELEMENTS = 1 << 22
"""Weights of all replicas together, and as many gradients."""


@dataclass(frozen=True)
class ExampleNorms(Shown):
    """Squared norms of per-example gradients.

    Attributes:
        total: |g_i|² of every example, (N,).
        by_parameter: The same by the parameter's name, each (N,), which add up to the total.
    """

    total: HostArray
    by_parameter: dict[str, HostArray]

    def __len__(self) -> int:
        """N, the number of examples."""
        return len(self.total)

    def picture(self) -> str:
        norms = enumerate(sorted(self.total.tolist(), reverse=True), 1)
        return curves({"|g|² by rank": [(float(k), norm) for k, norm in norms]}, "examples", "", logarithmic=True)


def per_example_gradients(
    network: Network, x: Any, y: Any, *, loss: Loss | None = None, mode: str = "evaluation"
) -> HostArray:
    """Return g_i = ∇_w ℓ(network_w(x_i), y_i) of every example, in float64 in the order of ``network.vector``.

    Every example is a replica of the network with a batch of one, so any layer is supported, and one product of stacked
    matrices does the work of N backward passes. The mean over axis 0 is the gradient of the batch.

    Args:
        network: A network with weights.
        x: Examples, (N, …).
        y: Labels (N,), or values (N, O).
        loss: By default that of the task (see ``Objective``).
        mode: "evaluation" (dropout off, batch normalisation by running statistics), or "train", which is refused where
            an example has no gradient of its own in training.

    Returns:
        The gradients, (N, P).

    Raises:
        ArgumentError: Train mode with BatchNorm or Dropout, or a network without weights.
        ShapeError: The examples have another shape than the network's inputs.
        DataError: The labels do not fit the network's outputs.
    """
    require_own_gradients(network, mode)
    examples = Examples.of(network, (x, y), loss)
    found = np.empty((len(examples), network.n_parameters))
    step = max(1, ELEMENTS // network.n_parameters)
    for start in range(0, len(found), step):
        rows = np.arange(start, min(start + step, len(found)))
        found[rows] = gradients_of(examples, rows)
    return found


def per_example_norms(
    network: Network, x: Any, y: Any, *, loss: Loss | None = None, mode: str = "evaluation"
) -> ExampleNorms:
    """Return |g_i|² of every example, in all and by parameter, in float64.

    One backward pass over the batch: a dense layer's is |a_i|² |δ_i|², which forms no gradient (Goodfellow 2015);
    other layers' are formed for some examples at a time (see ``minisgd.nn.per_example``).

    Args:
        network: A network with weights.
        x: Examples, (N, …).
        y: Labels (N,), or values (N, O).
        loss: By default that of the task (see ``Objective``).
        mode: As for ``per_example_gradients``.

    Returns:
        The squared norms.

    Raises:
        ArgumentError: Train mode with BatchNorm or Dropout, or a network without weights.
        ShapeError: The examples have another shape than the network's inputs.
        DataError: The labels do not fit the network's outputs.
    """
    require_own_gradients(network, mode)
    return norms_of(Examples.of(network, (x, y), loss))


def norms_of(examples: Examples) -> ExampleNorms:
    """Return |g_i|² of these examples."""
    norms = SquaredNorms()
    found = np.empty((len(examples.network.layout), len(examples)))
    for where, n in examples.passed(norms):
        found[:, where] = norms.rows[n]
    names = [segment.name for segment in examples.network.layout]
    return ExampleNorms(found.sum(0), dict(zip(names, found, strict=True)))


def gradients_of(examples: Examples, rows: HostArray) -> HostArray:
    """Return the gradients of these examples, (n, P).  rows (n,)"""
    n, source, loss = len(rows), examples.network, clone(examples.loss)
    net: Network = clone(source).frozen()
    net.lead = (n,)
    ops, feed = net.ops, examples.feed
    bound = bind_training(net, loss, feed, 1)
    arena = Arena(ops, Plan(bound.requests()), net.lead)
    weights = [np.repeat(array[None], n, axis=0) for array in (source.vector, source.statistics)]
    gradient = ops.zeros(weights[0].shape, net.dtype)
    assert net.input_shape is not None
    net.attach(net.input_shape, weights[0], weights[1], gradient)
    batch = bound.realize(arena, net.lead)
    data = feed.place(ops, arena, examples.data)
    data.choose(ops, rows[:, None], out=feed.index(arena, 1, net.lead))
    with quiet_arithmetic():
        feed.gather(ops, arena, data, 1, net.lead)
        net.forward(ops, batch["x"])
        loss.total(ops, batch["target"])
        net.backward(ops, loss.gradient(ops))
    return gradient


def require_own_gradients(network: Network, mode: str = "train") -> None:
    """Refuse a mode in which an example has no gradient of its own, or not always the same one."""
    if isinstance(mode, str) and mode == "evaluation":
        return
    if not is_word(mode, ("train",)):
        raise ArgumentError("mode", expected="'evaluation' or 'train'", got=mode, fix="leave it out")
    for layer in network.walk():
        duplicate = layer.frozen()
        if type(duplicate) is not type(layer) or (layer.couples_batch and layer is not network and duplicate is layer):
            couples = layer.couples_batch
            raise ArgumentError(
                "mode",
                expected="'evaluation' for this network",
                got=f"'train' with {layer.label}, "
                + ("which couples the examples of a batch" if couples else "which draws a mask for each batch"),
                fix="in evaluation every example has one gradient" + ("; or use ms.LayerNorm" if couples else ""),
            )
