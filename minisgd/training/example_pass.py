"""A backward pass that reads the gradient of every example, recorded once for each number of examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Protocol

import numpy as np

from minisgd.backend import Arena, Ops, Plan, Program
from minisgd.nn import Layer, Linear, Loss, Network
from minisgd.nn.layout import Layout
from minisgd.nn.per_example import Factor, tapped
from minisgd.nn.sequential import clone
from minisgd.training.binding import bind_training
from minisgd.training.evaluation import evaluation_batch
from minisgd.training.feeds.feed import Feed, HostData
from minisgd.typing import Array, HostArray

STACKED_ELEMENTS = 1 << 22
"""Elements of the per-example gradients, and of what they are made of, that are in memory at once."""


class ExampleReader(Protocol):
    """What is read in a pass: ``start`` makes room for n examples, ``read`` records the reading."""

    def start(self, ops: Ops, layout: Layout, n: int, dtype: str) -> None: ...

    def read(self, ops: Ops, name: str, factor: Factor) -> None: ...


class SquaredNorms:
    """|g_i|² by parameter.  rows[n] (S, n): a row for each of the S parameters"""

    def __init__(self) -> None:
        self.rows: dict[int, Array] = {}

    def start(self, ops: Ops, layout: Layout, n: int, dtype: str) -> None:
        self.numbers = {segment.name: k for k, segment in enumerate(layout)}
        self.now = self.rows[n] = ops.zeros((len(layout), n), dtype)

    def read(self, ops: Ops, name: str, factor: Factor) -> None:
        factor.squared_norms(ops, self.now[self.numbers[name]])


class InnerProducts(SquaredNorms):
    """⟨g_i, v⟩ by parameter.  v (P,): read when the pass is; the gradient that the pass computes will do"""

    def __init__(self, v: Array) -> None:
        super().__init__()
        self.v = v

    def start(self, ops: Ops, layout: Layout, n: int, dtype: str) -> None:
        super().start(ops, layout, n, dtype)
        self.along = {segment.name: segment.view(self.v) for segment in layout}

    def read(self, ops: Ops, name: str, factor: Factor) -> None:
        factor.inner_products(ops, self.along[name], self.now[self.numbers[name]])


class SumOfSquares:
    """Σ_i g_i², element by element, of the examples last passed.  total (P,)"""

    def __init__(self, total: Array) -> None:
        self.total = total

    def start(self, ops: Ops, layout: Layout, n: int, dtype: str) -> None:
        self.views = {segment.name: segment.view(self.total) for segment in layout}

    def read(self, ops: Ops, name: str, factor: Factor) -> None:
        factor.sum_of_squares(ops, self.views[name])


class ExamplePass:
    """Forward and backward in evaluation over examples of a data set, read example by example.

    losses (n,): of the examples last passed

    network: a single one, on its device; its weights are read where they are, and nothing of it is written.
    Dropout is the identity and BatchNorm uses its running statistics, so every example has a gradient of its own.
    gradient (P,): where the *sum* of their gradients goes; where it is not wanted, it is not computed
    chunk: the most examples at a time; by default as many as keep memory within bounds
    only: the layers that are read; by default all that have parameters
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        data: HostData,
        feed: Feed,
        readers: Sequence[ExampleReader],
        *,
        gradient: Array | None = None,
        chunk: int | None = None,
        only: Callable[[Layer], bool] = lambda layer: True,
    ) -> None:
        assert network.input_shape is not None
        self.source, self.readers, self.loss, self.feed = network, readers, clone(loss), feed.each_its_own()
        self.ops, self.chunk = network.ops, min(len(data), chunk or examples_at_a_time(network, len(data)))
        self.network: Network = tapped(clone(network).frozen(), (1, *network.input_shape), readers, only)
        self._wanted = gradient is not None
        self._gradient = self.ops.zeros((network.n_parameters,), network.dtype) if gradient is None else gradient
        self.losses: Array
        bound = bind_training(self.network, self.loss, self.feed, self.chunk)
        self._arena = Arena(self.ops, Plan([*bound.requests(), *self.feed.held().values()]), ())
        self.data = self.feed.place(self.ops, self._arena, data)
        self._programs: dict[int, tuple[Program, Array, Array]] = {}

    def chunks(self, index: HostArray) -> Iterator[tuple[slice, int]]:
        """Pass over examples by number, (b,); after each chunk yield where in the index it lies, and its n."""
        for start in range(0, len(index), self.chunk):
            n = min(self.chunk, len(index) - start)
            self.over(index[start : start + n], n)
            yield slice(start, start + n), n

    def over(self, index: HostArray, n: int) -> None:
        """Pass over examples by number, (n,) or (1, n), at most ``chunk`` of them."""
        self.record(n)
        program, place, self.losses = self._programs[n]
        self.data.choose(self.ops, index, out=place)
        program.replay()

    def record(self, n: int) -> None:
        """Record the pass over n examples, if it is not."""
        if n not in self._programs:
            self._programs[n] = self._record(n)

    def _record(self, n: int) -> tuple[Program, Array, Array]:
        net, loss, ops = self.network, self.loss, self.ops
        for reader in self.readers:
            reader.start(ops, net.layout, n, net.dtype)
        bound = bind_training(net, loss, self.feed, n)
        assert net.input_shape is not None
        net.attach(net.input_shape, self.source.vector, self.source.statistics, self._gradient)
        batch = bound.realize(self._arena, ())
        with ops.record() as program, ops.scope("per example"):
            self.feed.gather(ops, self._arena, self.data, n, ())
            net.forward(ops, batch["x"])
            loss.total(ops, batch["target"])
            delta = loss.gradient(ops)
            ops.multiply(delta, n, out=delta)  # δ of each example's own loss: the loss is a mean
            net.backward(ops, delta)
        program = without_writing(ops, program, loss.value)
        if not self._wanted:
            program = without_writing(ops, program, self._gradient)
        return program, self.feed.index(self._arena, n, ()), loss.losses


def examples_at_a_time(network: Network, n: int) -> int:
    """Return how many examples' gradients are read at a time: activations in the cache, gradients in bounds."""
    assert network.input_shape is not None
    largest = 1
    for leaf in network.describe(network.input_shape):
        sizes = [prod(p.shape) for p in leaf.declaration.parameters.values()]
        if sizes and not isinstance(leaf.layer, Linear):  # whose gradients are never formed
            y = leaf.declaration.y
            largest = max(largest, sum(sizes) + prod(y[1:-1]) * max(sizes) // y[-1])
    return min(evaluation_batch(network, n), max(1, STACKED_ELEMENTS // largest))


def without_writing(ops: Ops, program: Program, array: Array) -> Program:
    """Return the program without the calls that write to an array which nothing reads."""
    first, kept = ops.address(array), ops.new_program()
    for call in program:
        if not first <= ops.address(call.out) < first + array.nbytes:
            kept.append(call)
    return kept


def host_sum(ops: Ops, array: Array) -> HostArray:
    """Return the sum over the first axis, in float64 on the host.  array (S, n)   result (n,)"""
    total: HostArray = ops.to_host(array).astype(np.float64).sum(0)
    return total
