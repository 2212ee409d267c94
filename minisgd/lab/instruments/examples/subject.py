"""Examples to be looked at one by one: a network in float64 on the host, and the data that fit it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minisgd.backend import NumpyOps
from minisgd.data import Dataset, Split
from minisgd.data.checks import as_features, as_host
from minisgd.errors import ArgumentError
from minisgd.lab.instruments.subject import require_single, training_part
from minisgd.nn import Loss, Network
from minisgd.nn.sequential import clone
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.example_pass import ExamplePass, ExampleReader
from minisgd.training.feeds.feed import ExampleSpec, Feed, HostData
from minisgd.training.memory import loss_for
from minisgd.typing import Array, HostArray

DTYPE = "float64"


@dataclass(frozen=True)
class Examples:
    """A network in float64, N examples and a loss, ready for passes."""

    network: Network
    dataset: Dataset
    loss: Loss
    feed: Feed
    data: HostData

    @classmethod
    def of(
        cls, network: Network, data: Dataset | Split | tuple[Any, Any], loss: Loss | None, split: str = "train"
    ) -> Examples:
        """Copy the network, and refuse what does not fit it.

        Raises:
            ArgumentError: Some weights are not finite; and what ``Objective`` raises.
        """
        require_single(network)
        _require_finite(network)
        dataset = training_part(network, _with_codes(network, data), split)
        loss = loss_for(loss, dataset.task)
        loss.check_target(dataset.train.y)
        spec = ExampleSpec.of(dataset.train, dataset.scale, DTYPE)
        return cls(in_float64(network), dataset, loss, Feed(spec, DTYPE), HostData.of(dataset.train, DTYPE))

    def __len__(self) -> int:
        """N, the number of examples."""
        return len(self.data)

    def subset(self, rows: HostArray) -> Examples:
        """Return these examples alone.  rows (n,)"""
        part = self.dataset.train.take(rows)
        return replace(self, dataset=replace(self.dataset, train=part), data=HostData.of(part, DTYPE))

    def total(self) -> HostArray:
        """Return the sum of the gradients of all examples, (P,)."""
        total, chunk = np.zeros(self.network.n_parameters), np.zeros(self.network.n_parameters)
        for _ in self.passed(gradient=chunk):
            total += chunk
        return total

    def passed(
        self, *readers: ExampleReader, gradient: Array | None = None, rows: HostArray | None = None
    ) -> Iterator[tuple[slice, int]]:
        """Pass over all examples, or those of the rows (n,); yield where a chunk lies, and its n."""
        over = ExamplePass(self.network, self.loss, self.data, self.feed, readers, gradient=gradient)
        with quiet_arithmetic():
            yield from over.chunks(np.arange(len(self)) if rows is None else rows)


def in_float64(network: Network) -> Network:
    """Return a copy of a network in float64, in host memory."""
    duplicate: Network = clone(network)
    assert network.input_shape is not None
    duplicate.shape_only(network.input_shape, DTYPE)
    duplicate.ops = NumpyOps()
    duplicate.vector = network.ops.to_host(network.vector).astype(DTYPE)
    duplicate.statistics = network.ops.to_host(network.statistics).astype(DTYPE)
    return duplicate


def _require_finite(network: Network) -> None:
    for name, array in (network.parameters() | network.running_statistics()).items():
        values = network.ops.to_host(array)
        if not np.isfinite(values).all():
            raise ArgumentError(
                "network",
                expected="a network with finite weights",
                got=f"{values[~np.isfinite(values)][0]} in {name}",
                fix="the training run has diverged: take weights from before, or lower its learning rate",
            )


def _with_codes(network: Network, data: Any) -> Any:
    """Take integer labels of a pair (x, y) as the codes they are, where the network has no names for its classes.

    A data set made of so few examples that a class is missing would number the classes anew.
    """
    if not (isinstance(data, tuple) and len(data) == 2) or network.classes is not None:
        return data
    y = as_host(data[1], "y")
    if y.dtype.kind not in "iu" or y.ndim != 1 or not y.size:
        return data
    if y.min() < 0:
        raise ArgumentError("y", expected="labels from 0", got=int(y.min()), fix="number the classes from 0")
    x = as_features(data[0])
    scale = network.input_scale if x.dtype == np.uint8 and network.input_scale != 1 else None
    values = Dataset.from_arrays(x, y.astype(np.float64), validation=None, scale=scale, task="regression")
    split = Split(values.train.x, y.astype(np.int64))
    codes = tuple(map(str, range(network.output_shape[-1])))
    return replace(values, train=split, classes=codes) if y.max() < len(codes) else split
