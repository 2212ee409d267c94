"""A bench for layers and losses: binds any chain to memory of its own and runs it, eagerly or recorded."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from minisgd.backend import Arena, NumpyOps, Ops, Plan, Program, Request
from minisgd.nn import Buffer, Declaration, Layer, Loss, Network
from minisgd.nn.binding import Binder, Place
from minisgd.nn.losses.loss import LossDeclaration, TargetKind
from minisgd.nn.sequential import clone
from minisgd.typing import Array, Shape


class Probe(Loss):
    """L = 1/B Σ_i Σ_o t_io z_io: a loss whose gradient with respect to z is whatever its target says."""

    task = "regression"
    work: Array
    target: Array

    def declare(self, z: Shape, kind: TargetKind) -> LossDeclaration:
        return LossDeclaration(z, None, {"work": Buffer(z, life="scratch")})

    def forward(self, ops: Ops, target: Array) -> None:
        self.target = target
        ops.multiply(self.z, target, out=self.work)
        ops.sum(self.work, tuple(range(self.losses.ndim - self.work.ndim, 0)), out=self.losses)

    def backward(self, ops: Ops) -> None:
        ops.copy(self.target, out=self.dz)


class TextbookOps(NumpyOps):
    """A device without bodies of its own: every layer, loss and optimizer runs as it is written in its class."""

    device = "textbook"


class Apart(Binder):
    """Gives every array storage of its own, wherever that is possible at all: slower, and plainly right."""

    taken = 0

    def leaf_forward(self, layer: Layer, path: str, x: Place, declared: Declaration) -> Place:
        return super().leaf_forward(layer, path, replace(x, free=False), declared)

    def leaf_backward(self, layer: Layer, path: str, dy: Place, needs_dx: bool) -> Place | None:
        return super().leaf_backward(layer, path, replace(dy, free=False), needs_dx)

    def slot(self, what: str, shape: Shape, owner: Any) -> Request:
        self.taken += 1
        return Request(f"apart.{self.taken}", shape, self.dtype, owner)

    def attach(self, layer: Layer, attribute: str, request: Request | None) -> None:
        if request is not None and request.key.startswith("scratch."):
            self.taken += 1
            request = replace(request, key=f"apart.{self.taken}")
        super().attach(layer, attribute, request)


class Bench:
    """A chain of layers and a loss, bound for training at batch ``b`` in memory planned for batch ``largest``.

    Works on copies of the layers and the loss, so that the same ones can go to several benches.
    seeds: an integer for no replica axis, or a sequence for one.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        shape: Shape,
        b: int,
        *,
        loss: Loss | None = None,
        kind: TargetKind = "values",
        seeds: int | Sequence[int] = 0,
        dtype: str = "float64",
        largest: int | None = None,
        weighted: bool = False,
        needs_dx: bool = True,
        binder: type[Binder] | None = None,
        ops: Ops | None = None,
    ) -> None:
        self.ops = ops or NumpyOps()
        self.loss = copy(loss) if loss else Probe()
        self.kind, self.weighted, self.needs_dx, self.binder = kind, weighted, needs_dx, binder or Binder
        self.network = Network(*map(clone, layers)).build(shape, seeds=seeds, dtype=dtype, ops=self.ops)
        self.shape, self.dtype, self.lead = shape, dtype, self.network.lead
        self.gradient = self.ops.zeros(self.network.vector.shape, dtype)
        self.clock = self.ops.zeros((), "int64")
        for leaf in self.network.describe(shape):
            leaf.layer.clock = self.clock
            leaf.layer.seeds = (seeds,) if isinstance(seeds, int) else tuple(seeds)
        self.arena = Arena(self.ops, Plan(self._bind(max(b, largest or b))[1]), self.lead)
        self.bind(b)

    def _bind(self, b: int) -> tuple[Binder, list[Request]]:
        binder = self.binder(self.dtype, training=True, method=self.ops.method)
        x = Request("batch.x", (b, *self.shape), self.dtype, "data")
        z = self.network.bind_forward(binder, "", Place(x, free=False)).request
        dz = Request("loss.dz", z.shape, self.dtype, "activations")
        self.network.bind_backward(binder, "", Place(dz, free=True), needs_dx=self.needs_dx)
        declared = self.loss.declare(z.shape, self.kind)
        self.loss_requests = {
            "z": z,
            "dz": dz,
            "losses": Request("loss.losses", (b,), self.dtype, "activations"),
            "value": Request("loss.value", (), self.dtype, "activations"),
        }
        for name, buffer in declared.buffers.items():
            self.loss_requests[name] = Request(f"loss.{name}", buffer.shape, buffer.dtype or self.dtype, "workspaces")
        target_dtype = declared.target_dtype or self.dtype
        self.batch_requests = {"x": x, "target": Request("batch.target", declared.target, target_dtype, "data")}
        if self.weighted:
            self.batch_requests["weight"] = Request("batch.weight", (b,), self.dtype, "data")
        return binder, [*self.batch_requests.values(), *self.loss_requests.values(), *binder.requests()]

    def bind(self, b: int) -> None:
        """Attach the arrays of a batch of b examples, which must not be larger than the largest."""
        self.b = b
        self.binder_used, _ = self._bind(b)
        self.network.attach(self.shape, self.network.vector, self.network.statistics, self.gradient)
        self.binder_used.realize(self.arena, self.lead)
        for name, request in self.loss_requests.items():
            setattr(self.loss, name, self.arena.view(request, self.lead))
        batch = {name: self.arena.view(r, self.lead) for name, r in self.batch_requests.items()}
        self.x, self.target = batch["x"], batch["target"]
        self.weight = self.loss.weight = batch.get("weight")
        self.loss.lead = self.lead
        self.z = self.loss.z

    # ------------------------------------------------ content

    def fill(self, rng: np.random.Generator, draw_target: Any = None) -> None:
        """Draw the batch, the parameters and the running statistics anew."""
        put, net = self.ops.upload, self.network
        put(rng.uniform(-2, 2, self.x.shape), out=self.x)
        if draw_target is None:
            put(rng.uniform(-1, 1, self.target.shape), out=self.target)
        else:
            put(draw_target(rng, self.z.shape), out=self.target)
        if self.weight is not None:
            put(rng.uniform(0.2, 2, self.weight.shape), out=self.weight)
        put(rng.normal(0, 0.7, net.vector.shape), out=net.vector)
        statistics = rng.uniform(0.3, 2, net.statistics.shape)
        for segment in net.statistics_layout:
            if segment.kind == "constant":  # a parameter that does not learn
                segment.view(statistics)[...] = rng.normal(0, 0.7, segment.view(statistics).shape)
        put(statistics, out=net.statistics)

    def take_from(self, other: Bench, replica: int | None = None) -> None:
        """Copy batch and network of another bench, or of one of its replicas."""
        pairs = [(self.x, other.x), (self.target, other.target), (self.weight, other.weight)]
        pairs += [(self.network.vector, other.network.vector), (self.network.statistics, other.network.statistics)]
        for mine, theirs in pairs:
            if mine is not None and theirs is not None:
                self.ops.upload(theirs if replica is None else theirs[replica], out=mine)

    # ------------------------------------------------ running

    def forward(self) -> None:
        self.network.forward(self.ops, self.x)
        self.loss.mean(self.ops, self.target)

    def step(self) -> Array | None:
        """Run forward, loss and backward; return dx."""
        self.forward()
        return self.network.backward(self.ops, self.loss.gradient(self.ops))

    def record(self, method: str = "step") -> Program:
        with self.ops.record() as program:
            getattr(self, method)()
        return program

    def results(self) -> dict[str, Array]:
        """Return copies of everything that a step computes, after running one."""
        dx = self.step()
        return self.snapshot(dx)

    def snapshot(self, dx: Array | None) -> dict[str, Array]:
        found = {
            "value": self.loss.value,
            "z": self.z,
            "gradient": self.gradient,
            "statistics": self.network.statistics,
        }
        if dx is not None:
            found["dx"] = dx
        return {name: self.ops.to_host(array) for name, array in found.items()}

    def attached(self) -> dict[str, Array]:
        """Return every array that hangs on a layer or the loss."""
        owners: list[Any] = [leaf.layer for leaf in self.network.describe(self.shape)] + [self.loss]
        owners += [a.layer for a in self.binder_used.attachments]
        return {
            f"{type(owner).__name__}.{name}": value
            for owner in owners
            for name, value in vars(owner).items()
            if isinstance(value, np.ndarray)
        }
