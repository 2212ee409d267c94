"""Prediction as a program: the forward pass recorded once for a batch, replayed over the data."""

from __future__ import annotations

from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from minisgd.backend import Arena, Plan, Program, Request
from minisgd.errors import DtypeError, ShapeError
from minisgd.nn.binding import Binder, Place
from minisgd.sparse import SparseRows, is_sparse
from minisgd.typing import Array, HostArray, Shape

if TYPE_CHECKING:
    from minisgd.nn.network import Network


KEPT = 8
"""Batch sizes whose programs are kept: the full one, and short ones that ended the examples of a call."""

RESPONSE = 0.05
"""Seconds after which Python gets a turn."""


class Inference:
    """The forward pass of a network in evaluation, for host arrays of any length; threads take turns."""

    def __init__(self, network: Network, batch_size: int) -> None:
        self.network, self.batch_size = network, batch_size
        self.weights, self.output_shape = (network.vector, network.statistics), network.output_shape
        self.programs: dict[int, tuple[Program, Array, Array]] = {}
        self.largest = 0
        self._pace = 0.0  # seconds that the last batches took, each
        self.lock = Lock()

    def serves(self, network: Network, batch_size: int) -> bool:
        """Tell whether a call of another network object, whose weights may be these, can be answered here and now."""
        ours, theirs = self.network, network
        same = all(a is b for a, b in zip(self.weights, (theirs.vector, theirs.statistics), strict=True))
        scales = ours.input_scale == theirs.input_scale and ours.output_scale is theirs.output_scale
        return same and scales and self.batch_size == batch_size and not self.lock.locked()

    def predict(self, x: HostArray) -> HostArray:
        """Return the outputs.  x (N, …)   result (…R, N, *output)"""
        net, n, b = self.network, len(x), self.batch_size
        out = np.empty((*net.lead, n, *self.output_shape), net.dtype)
        rows = np.moveaxis(out, len(net.lead), 0)  # (N, …R, *output)
        with self.lock:
            start = 0
            while start < n:
                part = x[start : start + b * max(1, min(self._affordable(), (n - start) // b))]
                if part.dtype == np.uint8:
                    part = part * np.asarray(net.input_scale, net.dtype)
                self._fill(part, rows[start : start + len(part)])
                start += len(part)
        if net.output_scale is not None:
            mean, std = net.output_scale  # in float64: 1e9 ± 1 has no digits left in float32
            out = out * std + mean
        return out

    def _fill(self, x: HostArray, rows: HostArray) -> None:
        """Predict several batches in one replay, or a single one.  x (K B, …)   rows (K B, …R, *output)"""
        axis, times = len(self.network.lead), max(1, len(x) // self.batch_size)
        program, batch, y = self._program(len(x) // times)
        begun = perf_counter()
        if times > 1:
            table = np.asarray(x, self.network.dtype).reshape(times, *batch.shape)
            results = rows.reshape(times, -1, *rows.shape[1:])
            program.replay(times, [(table, batch)], [(np.moveaxis(results, 1, 1 + axis), y)])
        else:
            self.network.ops.upload(x, out=batch)  # converts floats of another dtype on the way
            program.replay()
            rows[...] = np.moveaxis(self.network.ops.to_host(y), axis, 0)
        self._pace = (perf_counter() - begun) / times

    def _affordable(self) -> int:
        """Return how many batches to predict without a turn for Python, which notices interrupts; at first, one."""
        return int(RESPONSE / self._pace) if self.network.ops.repeats_programs and self._pace else 1

    def _program(self, b: int) -> tuple[Program, Array, Array]:
        if b > self.largest:  # than memory has been allocated for
            plan = Plan(inference_requests(self.network, (b, *_shape(self.network))))
            self.arena, self.largest = Arena(self.network.ops, plan, self.network.lead), b
            self.programs.clear()
        if b not in self.programs:
            while len(self.programs) >= KEPT:
                del self.programs[next(iter(self.programs))]
            self.programs[b] = self._record(b)
        return self.programs[b]

    def _record(self, b: int) -> tuple[Program, Array, Array]:
        net = self.network
        binder, x, y = bind_inference(net, (b, *_shape(net)))
        net.attach(_shape(net), net.vector, net.statistics, None)
        binder.realize(self.arena, net.lead)
        with net.ops.record() as program, net.ops.scope(phase="predict"):
            net.infer(net.ops, self.arena.view(x.request, net.lead))
        return program, self.arena.view(x.request, ()), self.arena.view(y.request, net.lead)


def bind_inference(network: Network, x: Shape) -> tuple[Binder, Place, Place]:
    """Return the binder of an evaluation pass on a batch (B, …) that all replicas share, and x and y."""
    binder = network.binder(training=False)
    place = Place(Request("evaluation.x", x, network.dtype, "data", shared=True), free=False)
    return binder, place, network.bind_forward(binder, "", place)


def inference_requests(network: Network, x: Shape) -> list[Request]:
    """Return the memory that an evaluation pass on a batch (B, …) asks for."""
    binder, place, _ = bind_inference(network, x)
    return [place.request, *binder.requests()]


def _shape(network: Network) -> Shape:
    assert network.input_shape is not None
    return network.input_shape


def checked_examples(network: Network, x: HostArray) -> HostArray:
    """Return examples that a network can predict, or refuse them.  x (N, …)"""
    if not (isinstance(x, np.ndarray) or type(x) is SparseRows):
        fix = "move it first: cupy.asnumpy(x)" if on_a_device(x) else "convert it with np.asarray(x)"
        fix = "call run.predict(x), which reads it by batches" if is_sparse(x) else fix
        raise DtypeError("x", expected="a NumPy array", got=f"{type(x).__module__}.{type(x).__name__}", fix=fix)
    if x.dtype.kind not in "fiub":
        raise DtypeError("x", expected="an array of numbers", got=f"dtype {x.dtype}", fix="convert the values")
    if x.shape[1:] != network.input_shape:
        assert network.input_shape is not None
        fix = "give examples along the first axis, x[None] for a single one"
        raise ShapeError("x", expected=f"(N, {', '.join(map(str, network.input_shape))})", got=x.shape, fix=fix)
    if x.size:
        network.check_input(x, network.input_scale if x.dtype == np.uint8 else 1.0)
    return x


def on_a_device(value: Any) -> bool:
    """Tell whether a value is an array in the memory of a GPU, whoever's it is."""
    return hasattr(value, "__cuda_array_interface__")
