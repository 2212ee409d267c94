"""Feeds for devices with memory of their own: the data set lives there, or passes through it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from minisgd.backend import Arena, Ops, Request
from minisgd.training.feeds.feed import DeviceData, Feed, HostData
from minisgd.typing import Array, HostArray, Shape


class ResidentFeed(Feed):
    """Holds the whole data set in device memory, bytes as bytes: there a batch is named by its indices alone."""

    def held(self) -> dict[str, Request]:
        """Return the memory of the n examples, one copy for all replicas."""
        return {
            name: Request(f"{r.key} of all", r.shape, r.dtype, "data", shared=True)
            for name, r in _stored(self.requests(self.n)).items()
        }

    def place(self, ops: Ops, arena: Arena, data: HostData) -> DeviceData:
        arrays = {name: arena.view(request, ()) for name, request in self.held().items()}
        for name, values in _columns(data).items():
            ops.upload(values, out=arrays[name])
        return DeviceData(arrays["x"], arrays["target"], arrays.get("weight"))


class StreamedFeed(Feed):
    """Gathers batches on the host, and sends each to the device while it computes with the one before."""

    def requests(self, b: int) -> dict[str, Request]:
        """Return the arrays of a batch, and two slots for each of them that is sent."""
        batch = {name: r for name, r in super().requests(b).items() if name != "index"}
        slots = {slot.key: slot for pair in _slots(batch).values() for slot in pair}
        return batch | slots

    def index(self, arena: Arena, b: int, lead: Shape) -> Array:
        """Return a host array: the device never reads the indices."""
        return np.empty((*(() if self.shared else lead), b), np.int64)

    def place(self, ops: Ops, arena: Arena, data: HostData) -> DeviceData:
        return StreamedData(data, self, ops, arena)

    def gather(self, ops: Ops, arena: Arena, data: DeviceData, b: int, lead: Shape) -> None:
        """Emit what is left to do with a batch that has arrived: x = scale · x."""
        batch = self.views(arena, b, () if self.shared else lead)
        if "raw" in batch:
            ops.rescale(batch["raw"], self.spec.scale, out=batch["x"])
        elif self.spec.scale != 1:
            ops.multiply(batch["x"], self.spec.scale, out=batch["x"])


class StreamedData(DeviceData):
    """Examples that stay on the host until a batch asks for them."""

    def __init__(self, data: HostData, feed: StreamedFeed, ops: Ops, arena: Arena) -> None:
        super().__init__(data.x, data.y, data.weight)
        self.columns, self.feed, self.arena = _columns(data), feed, arena
        self.transfers = {
            name: ops.batch_transfer((_rows(arena, first), _rows(arena, second)))
            for name, (first, second) in _slots(feed.requests(1)).items()
        }

    def arriving_in(self, ops: Ops, arena: Arena) -> DeviceData:
        return StreamedData(HostData(self.x, self.y, self.weight), self.feed, ops, arena)

    def choose(self, ops: Ops, index: HostArray, *, out: Array) -> None:
        """Send the examples of the coming batch.  index (R, b)   out (…, b) host array of the batch's shape"""
        *lead, b = out.shape
        batch = self.feed.views(self.arena, b, tuple(lead))
        for name, arrived in _stored(batch).items():
            self.transfers[name].send(self.columns[name], index, out=arrived)


def _columns(data: HostData) -> dict[str, HostArray]:
    """Return the arrays of a data set by what they are called in a batch."""
    columns = {"x": data.x, "target": data.y}
    return columns if data.weight is None else columns | {"weight": data.weight}


def _stored(batch: dict[str, Any]) -> dict[str, Any]:
    """Return those entries of a batch that are rows of the data set as it is stored."""
    stored = {"x": batch.get("raw", batch["x"]), "target": batch["target"]}
    return stored | {"weight": batch["weight"]} if "weight" in batch else stored


def _slots(batch: dict[str, Request]) -> dict[str, tuple[Request, Request]]:
    return {
        name: (replace(r, key=f"{r.key} arriving 0"), replace(r, key=f"{r.key} arriving 1"))
        for name, r in _stored(batch).items()
    }


def _rows(arena: Arena, slot: Request) -> Array:
    """Return the whole storage of a slot as rows of examples, of whichever replica.  (R · B, …)"""
    row = slot.shape[1:]
    rows: Array = arena.storage[slot.key].reshape(-1, *row)
    return rows
