"""Networks once more, in evaluation and in the plainest NumPy: what a prediction must be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from minisgd.nn import Layer, Network, Residual, Sequential
from minisgd.typing import HostArray
from tests.nn.layer_tables import row_of

TENSORS = {
    "W": None,
    "A": None,
    "c": None,
    "B": None,
    "P": None,
    "b": 0.0,
    "a": None,
    "gamma": 1.0,
    "beta": 0.0,
    "running_mean": None,
    "running_var": None,
}
"""What layers hold, and what counts where they do not."""


def plain_prediction(network: Network, x: HostArray) -> HostArray:
    """Return the outputs of a network without replicas."""
    values = {name: np.array(array) for name, array in (network.parameters() | network.running_statistics()).items()}
    return chain(network, "", values, x)


def chain(layer: Sequential, path: str, values: dict[str, Any], x: HostArray) -> HostArray:
    for position, each in enumerate(layer.layers):
        x = plain(each, layer.path_of(path, position, each), values, x)
    return x


def plain(layer: Layer, path: str, values: dict[str, Any], x: HostArray) -> HostArray:
    if isinstance(layer, Sequential):
        y = chain(layer, path, values, x)
        return x + y if isinstance(layer, Residual) else y
    row = row_of(layer)
    assert row.plain is not None, f"write what {layer!r} is in plain NumPy into its row"
    found: HostArray = row.plain(
        layer, x, SimpleNamespace(**{name: values.get(f"{path}.{name}", other) for name, other in TENSORS.items()})
    )
    return found
