"""From the constructor's arguments to a network: hidden layers by their sizes, or layers as given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minisgd.checks import as_items
from minisgd.errors import ArgumentError
from minisgd.nn import Layer, Linear, Network, ReLU, Sigmoid, Tanh
from minisgd.nn.initializers import Initializer, XavierUniform

ACTIVATIONS: dict[str, type[Layer] | None] = {"relu": ReLU, "tanh": Tanh, "logistic": Sigmoid, "identity": None}
"""Activations by scikit-learn's names."""


def build_network(layers: Any, sizes: Any, activation: Any, outputs: int) -> Network:
    """Return a network without weights: hidden layers and a dense layer of O outputs, or the network that is given."""
    if isinstance(layers, Network):
        return layers
    wanted, fix = "a list of layers, or a network", "write layers=[ms.Linear(64), ms.ReLU()]"
    hidden = _hidden(sizes, activation) if layers is None else as_items(layers, "layers", wanted, fix)
    return Network(*hidden, _dense(outputs, activation))


def _hidden(sizes: Any, activation: Any) -> list[Layer]:
    if activation not in ACTIVATIONS:
        raise ArgumentError(
            "activation", expected=f"one of {', '.join(map(repr, ACTIVATIONS))}", got=repr(activation), fix="use 'relu'"
        )
    widths = list(sizes) if isinstance(sizes, Iterable) else [sizes]
    if not all(isinstance(width, int | np.integer) and width > 0 for width in widths):
        raise ArgumentError(
            "hidden_layer_sizes", expected="positive integers (must be > 0)", got=sizes, fix="use (100,), for example"
        )
    kind = ACTIVATIONS[activation]
    each: Sequence[list[Layer]] = [[_dense(int(w), activation), *([kind()] if kind else [])] for w in widths]
    return [layer for pair in each for layer in pair]


def _dense(width: int, activation: Any) -> Linear:
    """Return a dense layer with weights from ±√(6 / (I + O)), ±√(2 / (I + O)) for sigmoids (Glorot and Bengio 2010)."""
    init: Initializer = XavierUniform(gain=3**-0.5 if activation == "logistic" else 1.0)
    return Linear(width, init=init)
