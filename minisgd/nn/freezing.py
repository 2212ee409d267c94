"""Parts that do not train: frozen layers, and layers exchanged for others, in a copy with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from minisgd.checks import as_items
from minisgd.errors import ArgumentError
from minisgd.nn.layer import Layer
from minisgd.nn.lending import without_lent
from minisgd.nn.sequential import Sequential
from minisgd.typing import HostArray

if TYPE_CHECKING:
    from minisgd.nn.network import Network

NetworkT = TypeVar("NetworkT", bound="Network")


def freeze(network: NetworkT, names: str | Sequence[str]) -> NetworkT:
    """Return a copy in which the layers of these names do not learn (see `Network.freeze`)."""
    duplicate = network.copy()
    exchange(duplicate, chosen(network, names), frozen)
    return with_tensors(duplicate, network)


def frozen(layer: Layer) -> Layer:
    """Return a layer as it is in evaluation, whose parameters do not learn."""
    duplicate = without_lent(layer.frozen())
    duplicate.learns = False
    return duplicate


def chosen(network: Network, names: str | Sequence[str]) -> set[str]:
    """Return the paths of the layers whose name, or whose block's, matches one of the patterns.

    Raises:
        ArgumentError: If a pattern matches none.
    """
    paths, found = [path for path, _ in leaves_of(network)], set()
    for pattern in [names] if isinstance(names, str) else as_items(names, "names", "names of layers", "['hidden*']"):
        met = {path for path in paths if fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}.*")}
        if not met:
            fix = f"choose among {', '.join(paths)}; 'hidden*' is any that begins so"
            raise ArgumentError("names", expected="names of layers in the network", got=pattern, fix=fix)
        found |= met
    return found


def leaves_of(chain: Sequential, path: str = "") -> Iterator[tuple[str, Layer]]:
    """Yield the layers without layers inside, and their paths."""
    for position, layer in enumerate(chain.layers):
        own = chain.path_of(path, position, layer)
        if isinstance(layer, Sequential):
            yield from leaves_of(layer, own)
        else:
            yield own, layer


def exchange(chain: Sequential, paths: set[str], by: Callable[[Layer], Layer], path: str = "") -> None:
    """Put another layer in the place of each at one of the paths."""
    layers = []
    for position, layer in enumerate(chain.layers):
        own = chain.path_of(path, position, layer)
        if isinstance(layer, Sequential):
            exchange(layer, paths, by, own)
        elif own in paths:
            layer = by(layer)
        layers.append(layer)
    chain.layers = chain._trained = tuple(layers)


def with_tensors(network: NetworkT, source: Network, changed: dict[str, HostArray] | None = None) -> NetworkT:
    """Return the network with the weights of another one by name, and drawn ones for what is new.

    changed: weights by name that take the place of the other's
    """
    if source.input_shape is not None:
        network.shape_only(source.input_shape, source.dtype, network.ops)
    if source.is_built:
        assert source.input_shape is not None
        seeds = 0 if not source.lead else np.arange(source.lead[0]).tolist()
        network.build(source.input_shape, seeds=seeds, dtype=source.dtype, ops=network.ops)
        tensors = source.to_numpy() | (changed or {})
        for name, view in (network.parameters() | network.running_statistics()).items():
            if name in tensors:
                network.ops.upload(tensors[name], out=view)
    return network
