"""Gather of a batch: the rows an index names, bytes becoming floats on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from minisgd.backend.cuda.kernels.shapes import blocks, require_shape
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Macros, definition
from minisgd.backend.cuda.workload import LONG, REAL, Device, Floor, Workload, Workloads
from minisgd.errors import DtypeError
from minisgd.typing import Array

THREADS = 128
BYTES_A_LOAD = 16
CONVERT = "convert the data set once, when it is moved to the device"


def _variants(source: str, result: str, scaled: int, vectors: tuple[int, ...]) -> tuple[Macros, ...]:
    wide = ((1, THREADS), (32, THREADS // 32))
    return tuple(
        {"SOURCE": source, "RESULT": result, "WIDE": w, "HIGH": h, "VECTOR": v, "SCALED": scaled}
        for w, h in wide
        for v in (vectors if w > 1 else (1,))
    )


def _definition(source: str, source_type: str, result: str, scaled: int, vectors: tuple[int, ...]) -> Definition:
    result_type = "REAL" if result == "real" else "long long"
    return definition(
        "gather",
        _variants(source_type, result_type, scaled, vectors),
        "gather",
        f"data:{source} index:int64 x:{result} targets?:int32 target?:int32 weights?:int32 weight?:int32",
        "examples:int64 N:int64 D target_words weight_words",
        reals=f"scale:{result}",
    )


BYTES = _definition("uint8", "unsigned char", "real", 1, (1, 4))
REALS = _definition("real", "REAL", "real", 1, (1, 4))
INTEGERS = _definition("int64", "long long", "int64", 0, (1,))

DEFINITIONS = (BYTES, REALS, INTEGERS)


class Gather:
    """Copies of the rows of a data set that an index names.

    address: of the first element of an array, in bytes, as `Ops.address`; it decides whether rows are aligned.
    """

    def __init__(self, library: KernelLibrary, address: Callable[[Array], int]) -> None:
        self.library, self.address = library, address

    def __call__(
        self,
        data: Array,
        index: Array,
        out: Array,
        *,
        scale: float = 1,
        target: tuple[Array, Array] | None = None,
        weight: tuple[Array, Array] | None = None,
    ) -> None:
        """x = scale · data[index], an index outside the data held to its ends

        data (N, …) uint8, real or int64   index (…R, B) int64   out (…R, B, …) real; int64 for int64, unscaled
        target, weight: further arrays and what their rows are copied to, both of a dtype with 4 or 8 bytes an element

        Raises:
            DtypeError: For data of another type.
            ShapeError: If the shapes do not fit.
        """
        require_shape(out, "gather: out", (*index.shape, *data.shape[1:]))
        targets, words = _words("target", target, index)
        weights, weight_words = _words("weight", weight, index)
        definition = self._definition(data)
        N, examples = data.shape[0], index.size
        D = out.size // examples if examples else 0
        wide = 1 if D < 8 else 32
        whole_loads = wide > 1 and D % 4 == 0 and definition is not INTEGERS and self._aligned(data, out)
        vector = 4 if whole_loads else 1
        same = {name: definition.variants[0][name] for name in ("SOURCE", "RESULT", "SCALED")}
        kernel = self.library.kernel(definition, **same, WIDE=wide, HIGH=THREADS // wide, VECTOR=vector)
        kernel(
            (blocks(examples, THREADS // wide), max(1, blocks(D, wide * vector)), 1), (wide, THREADS // wide, 1),
            data, index, out, *targets, *weights, examples, N, D, words, weight_words,
            int(scale) if definition is INTEGERS else float(scale),
        )  # fmt: skip

    def _aligned(self, data: Array, out: Array) -> bool:
        return self.address(data) % BYTES_A_LOAD == 0 and self.address(out) % BYTES_A_LOAD == 0

    def _definition(self, data: Array) -> Definition:
        if data.dtype == np.uint8:
            return BYTES
        if data.dtype == np.int64:
            return INTEGERS
        if data.dtype == self.library.dtype:
            return REALS
        expected = f"uint8, int64 or {self.library.dtype}"
        raise DtypeError("gather: data", expected=expected, got=f"an array of {data.dtype}", fix=CONVERT)


def _words(name: str, column: tuple[Array, Array] | None, index: Array) -> tuple[tuple[Array | None, ...], int]:
    """Return an array and what its rows are copied to in words of 4 bytes, and how many of them a row has."""
    if column is None:
        return (None, None), 0
    rows, out = column
    require_shape(out, f"gather: {name}", (*index.shape, *rows.shape[1:]))
    if out.dtype != rows.dtype or rows.itemsize % 4:
        expected = f"an array of {rows.dtype}, with elements of 4 or 8 bytes"
        raise DtypeError(f"gather: {name}", expected=expected, got=f"an array of {out.dtype}", fix=CONVERT)
    words = out.size // index.size * rows.itemsize // 4
    return (rows.reshape(-1).view(np.int32), out.reshape(-1).view(np.int32)), words


# ------------------------------------------------ what is timed


def gathers(device: Device, N: int, B: int, D: int) -> Iterator[Workload]:
    """Yield the gather of a batch of images as bytes, of the same as floats, and of labels."""
    gather, index = Gather(device.library, device.address), device.xp.asarray(np.arange(B) * 7919 % N)
    x, labels = device.reals(B, D), device.xp.zeros(B, np.int64)
    for name, data, out, scale, row in (
        ("bytes", device.xp.zeros((N, D), np.uint8), x, 1 / 255, D * (1 + REAL)),
        ("floats", device.reals(N, D), x, 1.0, D * 2 * REAL),
        ("labels", device.xp.zeros(N, np.int64), labels, 1, 2 * LONG),
    ):
        floor = Floor(B * (row + LONG))
        yield Workload(
            f"gather {name}",
            lambda data=data, out=out, scale=scale: gather(data, index, out, scale=scale),  # type: ignore[misc]
            floor,
            {"gather": floor},
        )


WORKLOADS = Workloads(gathers, natural=({"N": 60_000, "B": 8192, "D": 784},), miniature=({"N": 20, "B": 8, "D": 64},))
