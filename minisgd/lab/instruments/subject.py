"""What an instrument looks at: one network with weights, and examples that fit it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from minisgd.data import Dataset, Split
from minisgd.data.checks import as_features
from minisgd.data.target import TargetScale
from minisgd.errors import ArgumentError, DataError, DtypeError, ShapeError
from minisgd.nn import Network
from minisgd.training.scoring import find_split
from minisgd.typing import HostArray


def require_single(network: Any) -> None:
    """Refuse what is not one network with weights."""
    if not isinstance(network, Network):
        raise DtypeError("network", expected="an ms.Network", got=type(network).__name__, fix="pass run.network")
    network.require_built()
    if network.lead:
        fix = "choose one: network.replica(0)"
        raise ArgumentError(
            "network", expected="a single network", got=f"a stack of {network.lead[0]} replicas", fix=fix
        )
    if not network.n_parameters:
        raise ArgumentError(
            "network", expected="a network with parameters to vary", got="none", fix="add ms.Linear(10), for example"
        )


def as_vector(value: Any, size: int, argument: str, fix: str) -> HostArray:
    """Return a real vector of so many numbers, one for each parameter, or refuse it."""
    try:
        vector = np.asarray(value)
    except ValueError as error:
        expected, how = "a vector of numbers", "pass an array (P,)"
        raise DtypeError(argument, expected=expected, got=repr(value), fix=how) from error
    if vector.shape != (size,) or vector.dtype.kind not in "fiu":
        expected = f"a real vector of shape ({size},), one number for each parameter"
        raise ShapeError(argument, expected=expected, got=f"{vector.dtype} of shape {vector.shape}", fix=fix)
    return vector


def training_part(network: Network, data: Any, split: str) -> Dataset:
    """Return the examples of a Dataset, a Split or (x, y) as a data set whose training split they are.

    Bytes are scaled as the data set says, or else as in the training run of the network.
    """
    if isinstance(data, Dataset):
        part, scale, classes = find_split(data, split), data.scale, data.classes
    elif isinstance(data, Split):
        part, scale, classes = data, network.input_scale, network.classes
        if classes is None and data.y.dtype.kind == "i":
            classes = tuple(map(str, range(network.output_shape[-1])))
    elif isinstance(data, tuple) and len(data) == 2:
        classes, y = network.classes, np.asarray(data[1])
        if classes is None and y.dtype.kind in "iu" and y.size and y.max() < network.output_shape[-1]:
            # codes as they are: a data set in which a class is missing would number the classes anew
            classes = tuple(map(str, range(network.output_shape[-1])))
        x = as_features(data[0])  # a data frame too: the rules of its columns are the data set's, run.data
        own_scale = x.dtype == np.uint8 and network.input_scale != 1
        whole = Dataset.from_arrays(
            x,
            y,
            validation=None,
            classes=classes,
            scale=network.input_scale if own_scale else None,
            task="regression" if classes is None and y.dtype.kind == "f" else None,
        )
        part, scale, classes = whole.train, whole.scale, whole.classes
        if classes is None and network.output_scale is not None:  # the network learned targets of its own scale
            part = replace(part, y=TargetScale(*network.output_scale).apply(part.y))
    else:
        fix = "try ms.datasets.digits()"
        raise DtypeError("data", expected="a Dataset, a Split or a pair (x, y)", got=type(data).__name__, fix=fix)
    if part.x.shape[1:] != network.input_shape:
        raise ShapeError(
            "data",
            expected=f"examples of shape {network.input_shape}, as the network was built for",
            got=part.x.shape[1:],
            fix="reshape the data, or build the network for it",
        )
    outputs = network.output_shape[-1]
    if part.y.dtype.kind == "i" and int(part.y.max()) >= outputs:
        raise DataError(
            "data", expected=f"labels below {outputs}, the network's outputs", got=int(part.y.max()), fix="check both"
        )
    return Dataset("examples", part, classes=classes, scale=scale)
