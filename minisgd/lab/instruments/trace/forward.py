"""What a trace looks at: the norm of every tensor, and a forward pass with the norm of every layer's output.

Shapes: L layers, S tensors, b examples at a time, C units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minisgd.backend import Arena, Ops, Plan, Program, Request
from minisgd.nn import Network, ReLU, Sequential
from minisgd.nn.binding import Binder, Place
from minisgd.nn.layout import Layout
from minisgd.nn.sequential import clone
from minisgd.nn.shapes import reshaped
from minisgd.training.binding import attach_random
from minisgd.training.session import Session
from minisgd.typing import Array, HostArray

PART = 256
"""Examples at a time, where it makes no difference to them."""


class TensorNorms:
    """Norms of the tensors in a flat vector; reading a vector is recorded when it is first seen."""

    def __init__(self, ops: Ops, layout: Layout, dtype: str) -> None:
        self.ops, self.layout = ops, layout
        self._squares = ops.zeros((len(layout),), dtype)
        self._programs: dict[int, tuple[Array, Program]] = {}

    def __call__(self, vector: Array) -> HostArray:
        """Return the norm of every tensor.  vector (P,)   result (S,)"""
        if id(vector) not in self._programs:
            self._programs[id(vector)] = vector, self._record(vector)
        self._programs[id(vector)][1].replay()
        return np.sqrt(self.ops.to_host(self._squares).astype(np.float64))

    def _record(self, vector: Array) -> Program:
        with self.ops.record() as program, self.ops.scope("trace"):
            for s, segment in enumerate(self.layout):
                part = vector[segment.offset : segment.stop]
                self.ops.dot(part, part, out=self._squares[s, ...])
        return program


class TracePass:
    """The forward pass of a session's network, as in training, in memory of its own but for the weights."""

    def __init__(self, session: Session) -> None:
        self.session, self.ops = session, session.ops
        net = session.network
        assert net.input_shape is not None
        self.network: Network = clone(net)
        self.leaves = [
            leaf for leaf in self.network.describe(net.input_shape) if not leaf.declaration.reshapes
        ]  # in the order of the pass
        self._draws = any(leaf.declaration.clock for leaf in self.leaves)
        micro = session.recipe.micro_batch
        # batch statistics and dropout masks are those of the part that training computes at a time
        self.part = micro if self._draws or self.network.couples_batch else min(micro, PART)
        binder, x = self._bind(self.part)
        self._arena = Arena(self.ops, Plan([x, *binder.requests()]), ())
        self._statistics = self.ops.zeros((net.statistics_layout.size,), net.dtype)
        self._clock = self.ops.zeros((), "int64")
        units = [leaf.declaration.y[-1] if isinstance(leaf.layer, ReLU) else 0 for leaf in self.leaves]
        self._squares, self._sum = (self.ops.zeros((len(self.leaves),), net.dtype) for _ in range(2))
        self._peaks, self._highest = ([self.ops.zeros((c,), net.dtype) if c else None for c in units] for _ in range(2))
        self._programs: dict[int, tuple[Program, Array]] = {}

    def __call__(self, x: HostArray) -> tuple[HostArray, HostArray]:
        """Return Σ_i |y_i|² of every layer's output, and the share of dead units of every ReLU, both (L,).

        x (B, …) examples as the network sees them
        """
        ops, b = self.ops, len(x)
        starts = range(0, b, self.part)
        if self._draws:  # the session has counted the parts of this batch already
            ops.upload(int(ops.to_host(self.session.clock)) - len(starts), out=self._clock)
        for array in (self._sum, *self._highest):
            if array is not None:
                ops.upload(0.0, out=array)
        for start in starts:
            part = x[start : start + self.part]
            if len(part) not in self._programs:
                self._programs[len(part)] = self._record(len(part))
            program, batch = self._programs[len(part)]
            ops.upload(part, out=batch)
            program.replay()
        squares = ops.to_host(self._sum).astype(np.float64)
        dead = [np.nan if peak is None else float((ops.to_host(peak) <= 0).mean()) for peak in self._highest]
        return squares, np.array(dead)

    def _bind(self, b: int) -> tuple[Binder, Request]:
        net = self.network
        assert net.input_shape is not None
        binder = net.binder(training=True)
        x = Request("trace.x", (b, *net.input_shape), net.dtype, "data")
        net.bind_forward(binder, "", Place(x, free=False))
        return binder, x

    def _record(self, b: int) -> tuple[Program, Array]:
        net, ops = self.network, self.ops
        assert net.input_shape is not None
        binder, x = self._bind(b)
        binder.realize(self._arena, ())
        net.attach(net.input_shape, self.session.network.vector, self._statistics, None)
        attach_random(net, self.session.seeds, self._clock)
        batch = self._arena.view(x, ())
        with ops.record() as program, ops.scope("trace"), ops.observed_by(self._watch):
            net.forward(ops, batch)
            ops.add(self._sum, self._squares, out=self._sum)
            for peak, highest in zip(self._peaks, self._highest, strict=True):
                if peak is not None and highest is not None:
                    ops.maximum(highest, peak, out=highest)
            if self._draws:
                ops.add(self._clock, 1, out=self._clock)
        return program, batch

    def _watch(self, part: object, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Have a layer's output looked at before the next layer writes over it."""
        if isinstance(part, Sequential) and name == "parts":
            return part.parts  # layer by layer
        k = next((k for k, leaf in enumerate(self.leaves) if leaf.layer is part), None)
        if k is None or name != "forward":
            return method
        square, peak = self._squares[k, ...], self._peaks[k]

        def watched(ops: Ops, x: Array) -> Array:
            y: Array = method(ops, x)
            flat = reshaped(y, (-1,))
            ops.dot(flat, flat, out=square)
            if peak is not None:
                ops.max(reshaped(y, (-1, y.shape[-1])), 0, out=peak)
            return y

        return watched
