"""The loss of a network as a function of its parameters, on a fixed set of examples."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from minisgd.backend import Arena, NumpyOps, Ops, Plan, Program, Request
from minisgd.backend.complex_step import STEP, ComplexStepOps
from minisgd.data import Dataset, Split
from minisgd.errors import ArgumentError, DataError, DtypeError, ShapeError
from minisgd.nn import Loss, Network
from minisgd.nn.network import clone
from minisgd.training.binding import bind_training
from minisgd.training.evaluation import evaluation_batch
from minisgd.training.feed import DeviceData, ExampleSpec, Feed
from minisgd.training.memory import default_loss
from minisgd.training.run import find_split
from minisgd.training.session import quiet_arithmetic
from minisgd.typing import Array, HostArray, Seed


class Objective:
    """f(w) = 1/N Σ_i ℓ(network_w(x_i), t_i), with its gradient and the product of its Hessian with a vector.

    w, v, ∇f, Hv (P,) host arrays of ``dtype``; f a number. The sum runs over chunks of the examples, in order, so
    memory is bounded and the same call gives the same bits. The network is copied, never changed; the work is
    done on the CPU, wherever the network lives.

    Everything is as in evaluation: Dropout is the identity, and BatchNorm is the affine map that its *running*
    statistics make it, with those statistics held constant. In training mode it would couple the examples of a
    batch, and f would depend on how they are grouped.

    network: with weights, which are the ``start``
    data: a Dataset, of which ``split`` is taken ("train"); a Split; or (x, y). Bytes are scaled as in training.
    examples: how many, drawn by ``seed`` with class shares kept; by default all
    loss: by default softmax cross-entropy for classes, mean squared error for values
    dtype: "float64", or "float32"   chunk: examples at a time, by default as many as a cache holds

    Errors: ArgumentError for a network without weights or a stack of replicas, ShapeError or DataError for data
    that do not fit it, DtypeError for what is no network or no data.
    """

    def __init__(
        self,
        network: Network,
        data: Dataset | Split | tuple[Any, Any],
        *,
        loss: Loss | None = None,
        split: str = "train",
        examples: int | None = None,
        seed: Seed = 0,
        dtype: str = "float64",
        chunk: int | None = None,
    ) -> None:
        _require_single(network)
        dataset = _training_part(network, data, split)
        if examples is not None:
            dataset = dataset.subset(examples, seed)
        self.network, self.data, self.dtype = network, dataset, dtype
        self.loss = loss or default_loss(dataset.task)
        self._chunk = min(len(dataset), chunk or evaluation_batch(network, len(dataset)))
        self._real = _Pass(self, NumpyOps(), dtype)
        self._start: HostArray = network.ops.to_host(network.vector).astype(dtype)

    @property
    def parameters(self) -> int:
        """P, the number of parameters."""
        return self.network.n_parameters

    @property
    def examples(self) -> int:
        """N, the number of examples."""
        return len(self.data)

    @property
    def start(self) -> HostArray:
        """The network's own parameters, (P,), a copy."""
        return self._start.copy()

    def value(self, w: HostArray) -> float:
        """Return f(w), the mean loss."""
        return float(self._real.value(self.point(w, "w")))

    def gradient(self, w: HostArray) -> HostArray:
        """Return ∇f(w), (P,)."""
        return self.value_and_gradient(w)[1]

    def value_and_gradient(self, w: HostArray) -> tuple[float, HostArray]:
        """Return f(w) and ∇f(w), (P,)."""
        value, gradient = self._real.value_and_gradient(self.point(w, "w"))
        return float(value), gradient

    def hessian_vector(self, w: HostArray, v: HostArray) -> HostArray:
        """Return H(w) v, (P,): Im ∇f(w + i h v) / h, exact to rounding (see ``minisgd.backend.complex_step``).

        It costs about four gradients, in time and in memory.
        """
        w, v = self.point(w, "w"), self.point(v, "v")
        scale = float(np.abs(v).max())
        if scale == 0:
            return np.zeros_like(v)
        _, gradient = self._complex.value_and_gradient(w + 1j * (STEP / scale * v))
        product: HostArray = gradient.imag * (scale / STEP)
        return product.astype(self.dtype, copy=False)

    @cached_property
    def _complex(self) -> _Pass:
        return _Pass(self, ComplexStepOps(), np.result_type(self.dtype, np.complex64).name)

    def point(self, vector: Any, argument: str) -> HostArray:
        """Return a vector of R^P in this objective's dtype, or refuse it."""
        w = np.asarray(vector)
        if w.shape != (self.parameters,) or w.dtype.kind not in "fiu":
            raise ShapeError(
                argument,
                expected=f"a real vector of shape ({self.parameters},), one number for each parameter",
                got=f"{w.dtype} of shape {w.shape}",
                fix="start from objective.start",
            )
        return w.astype(self.dtype, copy=False)


class _Pass:
    """Loss and gradient over all examples, recorded for one kind of number, real or complex."""

    def __init__(self, objective: Objective, ops: Ops, dtype: str) -> None:
        source, data = objective.network, objective.data
        assert source.input_shape is not None
        net = clone(source).frozen().shape_only(source.input_shape, objective.dtype)
        net.ops, net.dtype = ops, dtype
        self.net, self.loss, self.ops = net, clone(objective.loss), ops
        self.loss.check_target(data.train.y)
        self.feed = Feed(ExampleSpec.of(data.train, data.scale, dtype), dtype)
        self.data = DeviceData.of(data.train, dtype, ops)
        self.n, self.chunk = len(data), objective._chunk
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
        ops.upload(source.ops.to_host(source.statistics), out=self.statistics)
        self._programs = {b: self._record(b) for b in {self.chunk, self.n % self.chunk} - {0}}
        self._gathered = -1

    def value(self, w: Array) -> Any:
        """Return f(w)."""
        total: Any = 0
        self.vector[...] = w
        with quiet_arithmetic():
            for b in self._chunks():
                total += self._forward(b)
        return total / self.n

    def value_and_gradient(self, w: Array) -> tuple[Any, Array]:
        """Return f(w) and ∇f(w), a new array (P,)."""
        total: Any = 0
        gradient = np.zeros_like(self.part)
        self.vector[...] = w
        with quiet_arithmetic():
            for b in self._chunks():
                total += self._forward(b)
                self._programs[b][2].replay()
                gradient += self.part * (b / self.n)
        return total / self.n, gradient

    def _forward(self, b: int) -> Any:
        self._programs[b][1].replay()
        return self.loss_sum[()]

    def _chunks(self) -> Any:
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


def _require_single(network: Any) -> None:
    if not isinstance(network, Network):
        raise DtypeError("network", expected="an ms.Network", got=type(network).__name__, fix="pass run.network, say")
    network.require_built()
    if network.lead:
        raise ArgumentError(
            "network",
            expected="a single network",
            got=f"a stack of {network.lead[0]} replicas",
            fix="choose one: network.replica(0)",
        )
    if not network.n_parameters:
        raise ArgumentError("network", expected="parameters to vary", got="none", fix="add ms.Linear(10), say")


def _training_part(network: Network, data: Any, split: str) -> Dataset:
    """Return the examples as a data set whose training split they are."""
    if isinstance(data, Dataset):
        part, scale, classes = find_split(data, split), data.scale, data.classes
    elif isinstance(data, Split):
        part, scale, classes = data, network.input_scale, network.classes
        if classes is None and data.y.dtype.kind == "i":
            classes = tuple(map(str, range(network.output_shape[-1])))
    elif isinstance(data, tuple) and len(data) == 2:
        own_scale = np.asarray(data[0]).dtype == np.uint8 and network.input_scale != 1
        whole = Dataset.from_arrays(
            *data,
            validation=None,
            classes=network.classes,
            scale=network.input_scale if own_scale else None,
        )
        part, scale, classes = whole.train, whole.scale, whole.classes
    else:
        raise DtypeError(
            "data",
            expected="a Dataset, a Split or a pair (x, y)",
            got=type(data).__name__,
            fix="try ms.datasets.digits()",
        )
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
