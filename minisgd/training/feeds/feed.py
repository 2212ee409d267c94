"""From the data set to a batch: which arrays hold it, and the operations that gather it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisgd.backend import Arena, Ops, Request
from minisgd.data import Split
from minisgd.errors import ShapeError
from minisgd.nn import Loss
from minisgd.nn.layer import shape_text
from minisgd.nn.losses.loss import TargetKind
from minisgd.sparse import SparseRows
from minisgd.typing import Array, HostArray, Shape


@dataclass(frozen=True)
class ExampleSpec:
    """What one example is made of: all that memory and recording need to know of a data set.

    x: input_shape of input_dtype, multiplied by scale as it is gathered
    target: integer labels () or (T), or values, in target_shape   weighted: whether examples carry weights
    """

    input_shape: Shape
    input_dtype: str
    kind: TargetKind
    target_shape: Shape
    weighted: bool = False
    scale: float = 1.0

    @classmethod
    def of(cls, split: Split, scale: float, dtype: str) -> ExampleSpec:
        """Describe the examples of a split, for a network of a dtype."""
        labels = split.y.dtype.kind in "iu"
        target: Shape = split.y.shape[1:] or (() if labels else (1,))
        stored = dtype if _convert_once(split.x) else split.x.dtype.name
        return cls(split.x.shape[1:], stored, "labels" if labels else "values", target, split.weight is not None, scale)


@dataclass(frozen=True)
class HostData:
    """A split as training reads it.  x (N, …)   y (N,) or (N, T) int64, or (N, O)   weight (N,) or None

    Floats are converted to the network's dtype once; bytes and memory-mapped files stay as they are.
    """

    x: HostArray
    y: HostArray
    weight: HostArray | None

    @classmethod
    def of(cls, split: Split, dtype: str) -> HostData:
        """Convert what is converted once."""
        x = split.x.astype(dtype, copy=False) if _convert_once(split.x) else split.x
        values = split.y[:, None] if split.y.ndim == 1 else split.y
        y = split.y if split.y.dtype.kind in "iu" else values.astype(dtype, copy=False)
        return cls(x, y, None if split.weight is None else split.weight.astype(dtype, copy=False))

    def __len__(self) -> int:
        return len(self.x)


@dataclass
class DeviceData:
    """The arrays that batches are gathered from: those of the host data, on the device."""

    x: Array
    y: Array
    weight: Array | None

    @classmethod
    def of(cls, split: Split, dtype: str, ops: Ops) -> DeviceData:
        """Move a split to the device."""
        return cls.moved(HostData.of(split, dtype), ops)

    @classmethod
    def moved(cls, data: HostData, ops: Ops) -> DeviceData:
        """Move converted arrays to the device; on the CPU they stay the same arrays."""
        weight = None if data.weight is None else ops.from_host(data.weight)
        x = data.x if isinstance(data.x, SparseRows) else ops.from_host(data.x)
        return cls(x, ops.from_host(data.y), weight)

    def choose(self, ops: Ops, index: HostArray, *, out: Array) -> None:
        """Name the examples of the coming batch.  index (R, b)   out (…, b) the array that the gathering reads"""
        ops.upload(index.reshape(out.shape), out=out)

    def arriving_in(self, ops: Ops, arena: Arena) -> DeviceData:
        """Return the same examples, of which batches arrive in another arena."""
        return self

    def __len__(self) -> int:
        return len(self.x)


def _convert_once(x: Array) -> bool:
    return x.dtype.kind == "f" and not isinstance(x, np.memmap)


class Feed:
    """Gathers the examples that ``index`` names into a batch.

    index (…, b) int64   x (…, b, *input)   target (…, b, *target)   weight (…, b)

    A shared feed gives all replicas the same examples: one batch in memory, without replica axes.
    n: examples of the data set, which a feed for another device makes room for
    """

    def __init__(
        self, spec: ExampleSpec, dtype: str, *, shared: bool = False, prefix: str = "batch", n: int = 0
    ) -> None:
        self.spec, self.dtype, self.shared, self.prefix, self.n = spec, dtype, shared, prefix, n

    def each_its_own(self) -> Feed:
        """Return the same feed with batches of their own for all replicas."""
        return type(self)(self.spec, self.dtype, prefix=self.prefix, n=self.n)

    def held(self) -> dict[str, Request]:
        """Return the memory of the data set itself: none, its arrays are the caller's."""
        return {}

    def place(self, ops: Ops, arena: Arena, data: HostData) -> DeviceData:
        """Bring the data to where batches are gathered from."""
        return DeviceData.moved(data, ops)

    def requests(self, b: int) -> dict[str, Request]:
        """Return the arrays of a batch of b examples by name."""
        spec = self.spec
        target_dtype = "int64" if spec.kind == "labels" else self.dtype
        shapes: dict[str, tuple[Shape, str]] = {
            "index": ((b,), "int64"),
            "x": ((b, *spec.input_shape), self.dtype),
            "target": ((b, *spec.target_shape), target_dtype),
        }
        if spec.input_dtype != self.dtype:
            shapes["raw"] = ((b, *spec.input_shape), spec.input_dtype)
        if spec.weighted:
            shapes["weight"] = ((b,), self.dtype)
        return {
            name: Request(f"{self.prefix}.{name}", shape, dtype, "data", self.shared)
            for name, (shape, dtype) in shapes.items()
        }

    def views(self, arena: Arena, b: int, lead: Shape) -> dict[str, Array]:
        """Return the arrays of a batch, as those who read them see them."""
        return {name: arena.view(request, lead) for name, request in self.requests(b).items()}

    def index(self, arena: Arena, b: int, lead: Shape) -> Array:
        """Return the array by which the host names the examples of a batch.  (…, b) int64"""
        return self.views(arena, b, () if self.shared else lead)["index"]

    def gather(self, ops: Ops, arena: Arena, data: DeviceData, b: int, lead: Shape) -> None:
        """Emit x = scale · data.x[index], target = data.y[index], weight = data.weight[index]."""
        batch = self.views(arena, b, () if self.shared else lead)
        if "raw" in batch:
            ops.take_rescaled(data.x, batch["index"], self.spec.scale, work=batch["raw"], out=batch["x"])
        else:
            ops.take(data.x, batch["index"], out=batch["x"])
            if self.spec.scale != 1:
                ops.multiply(batch["x"], self.spec.scale, out=batch["x"])
        ops.take(data.y, batch["index"], out=batch["target"])
        if data.weight is not None:
            ops.take(data.weight, batch["index"], out=batch["weight"])


def require_target(loss: Loss, expected: Shape, spec: ExampleSpec) -> None:
    """Refuse targets whose shape is not that which the loss takes for the prediction."""
    if expected != spec.target_shape:
        values = spec.kind == "values"
        raise ShapeError(
            f"{type(loss).__name__}: prediction",
            expected=f"{shape_text((0, *spec.target_shape))}, the shape of the {'targets' if values else 'labels'}"
            + ", and the classes after it" * (not values),
            got=shape_text((0, *expected)) + ", and the classes" * (not values),
            fix="change the last layer's number of features" if values else "give every position its label",
        )
