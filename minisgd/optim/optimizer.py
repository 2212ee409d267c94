"""The optimizer: a textbook formula on flat vectors, recorded once and replayed for every update.

w, g and every state vector are (…, P), where … are replica axes: none, or one axis R. Formulas are
elementwise, so they run on chunks that stay in the cache; all of a chunk's operations run before the next
chunk is touched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np

from minisgd.backend import Arena, Ops, Owner, Request
from minisgd.nn.layout import Layout
from minisgd.optim.groups import Group, require_groups, runs
from minisgd.optim.learning_rate import LearningRateSchedule, as_schedule
from minisgd.optim.rows import move_rows
from minisgd.typing import Array

FLUSH_EVERY = 256
"""Updates after which a training run flushes the optimizer's state."""

CHUNK = 1 << 16
"""Elements worked on at a time, over all replicas: five float32 vectors of them fill a second-level cache."""


@dataclass(frozen=True)
class UpdateBuffers:
    """What an update reads and writes, or a slice of it.

    All but the clocks have the dtype of w.

    Args:
        w: Parameters, (…, P).
        g: Gradient of the mean loss, (…, P); the update may overwrite it.
        lr: Learning rate, (…, 1), written by the host before each replay.
        slots: State vectors by name, (…, P), zeros at the start.
        rates: Numbers by name, (…, 1), that an update derives from lr and the clocks.
        clocks: By name, () float64: the number of updates done, and numbers that an update derives from it alone.
        scratch: One temporary, (chunk,), cut to the shape of the chunk at hand.
        work: Further temporaries by name, (…, n), for formulas that look at whole tensors; never cut.
        layout: Where each tensor lies in the vectors.
        rows: Of tensors of which only some rows move, by name: which rows, (…, N) int64.
    """

    w: Array
    g: Array
    lr: Array
    slots: dict[str, Array]
    rates: dict[str, Array]
    clocks: dict[str, Array]
    scratch: Array
    work: dict[str, Array]
    layout: Layout
    rows: Mapping[str, Array] = field(default_factory=dict)

    def chunks(self) -> Iterator[UpdateBuffers]:
        """Cut the vectors into chunks that fill the scratch: whole replicas, or parts of one.

        Cutting every replica of a stack in two would make rows of short pieces, three times slower to walk.
        """
        *lead, size = self.w.shape
        room = self.scratch.size
        whole = max(1, room // size)
        stacks = [slice(top, top + whole) for top in range(0, lead[0], whole)] if lead else [...]
        for replicas in stacks:
            for start in range(0, size, room):
                yield self._chunk(replicas, slice(start, min(start + room, size)))

    def _chunk(self, replicas: Any, columns: slice) -> UpdateBuffers:
        w = self.w[replicas, columns]
        return replace(
            self,
            w=w,
            g=self.g[replicas, columns],
            lr=self.lr[replicas],
            slots={name: slot[replicas, columns] for name, slot in self.slots.items()},
            rates={name: rate[replicas] for name, rate in self.rates.items()},
            scratch=self.scratch[: w.size].reshape(w.shape),
        )

    def part(self, start: int, stop: int) -> UpdateBuffers:
        """Return the elements from start to stop of every vector.

        Args:
            start: The first element.
            stop: The one after the last.
        """
        return replace(
            self,
            w=self.w[..., start:stop],
            g=self.g[..., start:stop],
            slots={name: slot[..., start:stop] for name, slot in self.slots.items()},
        )


@dataclass
class Optimizer(ABC):
    """A rule that moves w against g. Holds hyper-parameters only; its state lives in requested buffers.

    Args:
        lr: A positive number, or a schedule (a function of Progress).
        groups: Other rates and decays for some parameters, by patterns of their names: see `Group`.
    """

    lr: float | LearningRateSchedule
    groups: Mapping[str, Group] | None = field(default=None, kw_only=True, repr=False)

    rates: ClassVar[tuple[str, ...]] = ()
    clocks: ClassVar[tuple[str, ...]] = ()
    sums: ClassVar[tuple[str, ...]] = ()
    """Those of the rates that one update leaves to the next."""
    by_rows: ClassVar[bool] = False
    """Whether the formula may be applied to some rows of a tensor alone."""

    def __post_init__(self) -> None:
        as_schedule(self.lr, "lr")
        if self.groups is not None:
            require_groups(self.groups)

    @property
    def schedule(self) -> LearningRateSchedule:
        """The learning rate as a schedule, whatever was given."""
        return as_schedule(self.lr, "lr")

    def describe(self, *left_out: str) -> str:
        """Write the optimizer as its constructor would be written, defaults left out; left_out names more to omit.

        Args:
            left_out: Names of further arguments to omit.
        """
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in left_out}
        default = {f.name: f.default for f in fields(self) if f.name != "lr"}
        said = (f"{name}={value!r}" for name, value in given.items() if name == "lr" or value != default[name])
        return f"{type(self).__name__}({', '.join(said)})"

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the state vectors."""
        return ()

    # ---------------------------------------------------------------- memory

    def work(self, layout: Layout) -> dict[str, int]:
        """Return the temporaries that a formula on whole tensors needs: elements by name.

        Args:
            layout: Where the parameters lie in the vector.
        """
        return {}

    def _row_work(self, layout: Layout, counts: Mapping[str, int]) -> dict[str, int]:
        """Return the room for those rows of a tensor that move: elements by name."""
        size = max((counts[s.name] * s.shape[-1] for s in layout if s.name in counts), default=0)
        return {f"rows.{name}": size for name in ("w", "g", *self.slots)} if counts else {}

    def requests(self, layout: Layout, dtype: str, rows: Mapping[str, int] | None = None) -> list[Request]:
        """Return all that an update needs beside w, g and lr.

        Args:
            layout: Where the parameters lie in the vector.
            dtype: Of the parameters.
            rows: Of tensors of which only some rows move, by name: how many.
        """
        return [request for field in self._fields(layout, dtype, rows or {}).values() for request in field.values()]

    def buffers(
        self, arena: Arena, layout: Layout, w: Array, g: Array, lr: Array, rows: Mapping[str, Array] | None = None
    ) -> UpdateBuffers:
        """Gather the buffers of an update, from an arena that holds the requests.

        w, g (…, P)   lr (…, 1)

        With fewer replicas than the arena was built for, these are the first rows of its storage.

        Args:
            arena: Holds the requests.
            layout: Where the parameters lie in the vector.
            w: Parameters, (…, P).
            g: Gradient, (…, P).
            lr: Learning rates, (…, 1).
            rows: Of tensors of which only some rows move, by name: which, (…, N).
        """
        lead, rows = w.shape[:-1], rows or {}
        views: dict[str, Any] = {
            field: {name: arena.view(request, () if request.shared else lead) for name, request in requests.items()}
            for field, requests in self._fields(layout, w.dtype.name, {k: r.shape[-1] for k, r in rows.items()}).items()
        }
        scratch = views.pop("scratch")["scratch"].reshape(-1)[:CHUNK]
        return UpdateBuffers(w=w, g=g, lr=lr, scratch=scratch, layout=layout, rows=rows, **views)

    def _fields(self, layout: Layout, dtype: str, rows: Mapping[str, int]) -> dict[str, dict[str, Request]]:
        """Return the requests by the field of `UpdateBuffers` and the name there.  rows: how many move, by tensor"""

        def request(name: str, size: int, owner: Owner) -> Request:
            return Request(f"optimizer.{name}", (size,), dtype, owner)

        def rate(name: str) -> Request:
            lasts = name.rpartition(".")[2] in self.sums
            return request(name, 1, "optimizer state" if lasts else "workspaces")

        def clock(name: str) -> Request:
            return Request(f"optimizer.{name}", (), "float64", "optimizer state", shared=True)

        sizes = self.work(layout) | self._row_work(layout, rows)
        return {
            "slots": {name: request(name, layout.size, "optimizer state") for name in self.slots},
            "rates": {name: rate(name) for name in self._names(layout, self.rates, rows)},
            "clocks": {name: clock(name) for name in self._names(layout, self.clocks, rows)},
            "scratch": {"scratch": request("scratch", min(layout.size, CHUNK), "workspaces")},
            "work": {name: request(name, size, "workspaces") for name, size in sizes.items()},
        }

    def _names(self, layout: Layout, names: tuple[str, ...], rows: Collection[str]) -> list[str]:
        """Return the names of numbers: of several runs of tensors each has its own, and a learning rate."""
        if self.groups is None and not rows:
            return list(names)
        more = ("lr",) if names is self.rates else ()
        return [f"{k}.{name}" for k, _ in enumerate(runs(self.groups or {}, layout, rows)) for name in (*names, *more)]

    # ---------------------------------------------------------------- the update

    def interpolate(self, ops: Ops, b: UpdateBuffers) -> None:  # noqa: B027 - most take it where the weights are
        """Emit, before every gradient: move w to where the gradient is taken. The update finds it there.

        Args:
            ops: The operations of the device.
            b: The buffers of the whole vector.
        """

    def step(self, ops: Ops, buffers: UpdateBuffers) -> None:
        """Emit one whole update.

        Args:
            ops: The operations of the device.
            buffers: Of the whole vector.
        """
        with ops.scope(layer=type(self).__name__):
            if self.groups is None and not buffers.rows:
                ops.method(self, "move")(ops, buffers)
            else:
                self._move_runs(ops, buffers)

    def _move_runs(self, ops: Ops, b: UpdateBuffers) -> None:
        """Move every run of tensors by an optimizer with the settings of its group, or only some of its rows."""
        for k, run in enumerate(runs(self.groups or {}, b.layout, b.rows)):
            decay = {} if run.group.weight_decay is None else {"weight_decay": run.group.weight_decay}
            own: Any = replace(self, groups=None, **decay)
            part = replace(
                b.part(run.start, run.stop),
                lr=b.rates[f"{k}.lr"],
                rates={name: b.rates[f"{k}.{name}"] for name in self.rates},
                clocks={name: b.clocks[f"{k}.{name}"] for name in self.clocks},
                layout=run.layout,
            )
            ops.multiply(b.lr, run.group.lr_factor, out=part.lr)
            move = ops.method(own, "move")
            if run.rows is None:
                move(ops, part)
            else:
                move_rows(ops, move, part, b.rows[run.rows])

    def move(self, ops: Ops, b: UpdateBuffers) -> None:
        """Move w: prepare the numbers of the update, then apply the formula everywhere.

        Args:
            ops: The operations of the device.
            b: The buffers of the whole vector.
        """
        self.prepare(ops, b)
        self.sweep(ops, b)

    def prepare(self, ops: Ops, b: UpdateBuffers) -> None:  # noqa: B027 - most formulas have none
        """Emit whatever is computed once an update: clocks and rates, where the formula has them.

        Args:
            ops: The operations of the device.
            b: The buffers of the whole vector.
        """

    def sweep(self, ops: Ops, b: UpdateBuffers) -> None:
        """Apply the formula to all of w, chunk by chunk.

        Args:
            ops: The operations of the device.
            b: The buffers of the whole vector.
        """
        for chunk in b.chunks():
            self.update(ops, chunk)

    def flush(self, ops: Ops, buffers: UpdateBuffers) -> None:
        """Emit: set state too small to matter to zero.

        Where a gradient stays zero, a decaying sum ends among the denormal numbers, with which processors
        compute up to a hundred times slower, and rounding keeps it there for good.

        Args:
            ops: The operations of the device.
            buffers: Of the whole vector.
        """
        with ops.scope(layer=type(self).__name__):
            for b in buffers.chunks():
                for slot in b.slots.values():
                    ops.absolute(slot, out=b.scratch)
                    ops.greater_equal(b.scratch, _negligible(slot), out=b.scratch)
                    ops.multiply(slot, b.scratch, out=slot)

    @abstractmethod
    def update(self, ops: Ops, b: UpdateBuffers) -> None:
        """The textbook formula, elementwise, on a chunk.

        Args:
            ops: The operations of the device.
            b: The buffers of a chunk.
        """


def _negligible(slot: Array) -> float:
    """Return 1e13 times the smallest normal number: FLUSH_EVERY decays by 0.9 do not take it to the denormals."""
    return float(np.finfo(slot.dtype).tiny) * 1e13
