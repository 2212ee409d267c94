"""Mean loss and gradient over a whole set of examples, as programs recorded once and replayed at any point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minisgd.backend import Arena, Ops, Plan, Program, Request
from minisgd.data import Dataset
from minisgd.nn import Loss, Network
from minisgd.nn.sequential import clone
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.binding import bind_training
from minisgd.training.cost import largest_product
from minisgd.training.feeds.feed import DeviceData, ExampleSpec, Feed
from minisgd.typing import Array


class FullPass:
    """Loss and gradient over all examples, recorded for one kind of number, real or complex.

    The examples pass in chunks, one after the other. ``statistics`` (S,) are the running statistics that are held
    constant; whoever makes a pass fills them in.

    vector, gradient (P,)   statistics (S,)   all of dtype
    """

    def __init__(self, network: Network, loss: Loss, data: Dataset, chunk: int, ops: Ops, dtype: str) -> None:
        assert network.input_shape is not None
        net = clone(network).frozen().shape_only(network.input_shape, "float64", ops)
        net.ops, net.dtype = ops, dtype
        self.net, self.loss, self.ops = net, clone(loss), ops
        self.loss.check_target(data.train.y)
        self.feed = Feed(ExampleSpec.of(data.train, data.scale, dtype), dtype)
        self.data = DeviceData.of(data.train, dtype, ops)
        self.n, self.chunk = len(data), chunk
        fixed = {
            name: Request(name, (size,), dtype, "parameters")
            for name, size in (
                ("vector", net.layout.size),
                ("statistics", net.statistics_layout.size),
                ("gradient", net.layout.size),
            )
        }
        self.arena = Arena(
            ops, Plan([*fixed.values(), *bind_training(net, self.loss, self.feed, self.chunk).requests()]), ()
        )
        self.vector, self.statistics, self.part = (self.arena.view(r, ()) for r in fixed.values())
        self._programs = {b: self._record(b) for b in {self.chunk, self.n % self.chunk} - {0}}
        self._gathered = -1

    def value(self, w: Array) -> Any:
        """Return f(w)."""
        return self._passed(w, None)

    def value_and_gradient(self, w: Array) -> tuple[Any, Array]:
        """Return f(w) and ∇f(w), a new array (P,)."""
        gradient = np.zeros_like(self.part)
        return self._passed(w, gradient), gradient

    def _passed(self, w: Array, gradient: Array | None) -> Any:
        """Return f(w), and add ∇f(w) to the gradient, if there is one."""
        total: Any = 0
        self.vector[...] = w
        with quiet_arithmetic():
            for b in self._chunks():
                _, forward, backward = self._programs[b]
                forward.replay()
                total += self.loss_sum[()]
                if gradient is not None:
                    backward.replay()
                    gradient += self.part * (b / self.n)
            return total / self.n

    @property
    def largest_product(self) -> int:
        """FLOPs of the largest matrix product in the programs."""
        return largest_product(program for programs in self._programs.values() for program in programs)

    def _chunks(self) -> Iterator[int]:
        """Bring one chunk after the other into place, and yield its size; a single one stays there."""
        for first in range(0, self.n, self.chunk):
            b = min(self.chunk, self.n - first)
            if self._gathered != first:
                self.feed.views(self.arena, b, ())["index"][...] = np.arange(first, first + b)
                self._programs[b][0].replay()
                self._gathered = first
            yield b

    def _record(self, b: int) -> tuple[Program, Program, Program]:
        """Return three programs for b examples: gather them, forward with their loss, backward."""
        net, loss, ops = self.net, self.loss, self.ops
        bound = bind_training(net, loss, self.feed, b)
        assert net.input_shape is not None
        net.attach(net.input_shape, self.vector, self.statistics, self.part)
        batch = bound.realize(self.arena, ())
        with ops.record() as gather:
            self.feed.gather(ops, self.arena, self.data, b, ())
        with ops.record() as forward:
            net.forward(ops, batch["x"])
            loss.total(ops, batch["target"])
        with ops.record() as backward:
            net.backward(ops, loss.gradient(ops))
        self.loss_sum = loss.value
        return gather, forward, backward
