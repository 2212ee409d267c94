"""The coming update's examples and learning rates, from tables that the host has filled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minisgd.backend.cuda.kernels.shapes import blocks, require_shape
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Signature, array, scalar
from minisgd.backend.cuda.workload import LONG, REAL, Device, Floor, Workload, Workloads
from minisgd.typing import Array

BLOCK = 256
MACROS = {"BLOCK": BLOCK}

NEXT_ROWS = Definition(
    "next_rows",
    Signature(
        "next_rows",
        (
            array("indices", "int64", optional=True), array("index", "int64", optional=True),
            scalar("examples", "int64"), array("rates", "real"), array("lr", "real"), scalar("R", "int64"),
            scalar("K", "int64"), array("step", "int64"), array("arrived", "int32"),
        ),
    ),
    (MACROS,),
)  # fmt: skip
DEFINITIONS = (NEXT_ROWS,)


class NextRows:
    """Rows of the tables of the coming updates."""

    def __init__(self, library: KernelLibrary) -> None:
        self.library = library

    def __call__(
        self, indices: Array | None, index: Array | None, rates: Array, lr: Array, step: Array, arrived: Array
    ) -> None:
        """index = indices[step]    lr = rates[step]    step ← step + 1

        indices (K, …), index (…) int64, or None both   rates (K, …R)   lr (…R)   step (1,) int64
        arrived: one int32 at least, which is zero before and after

        Raises:
            ShapeError: If the shapes do not fit.
        """
        examples = 0
        if indices is not None and index is not None:
            require_shape(index, "next_rows: index", indices.shape[1:])
            examples = index.size
        require_shape(lr, "next_rows: lr", rates.shape[1:])
        self.library.kernel(NEXT_ROWS, **MACROS)(
            (blocks(max(examples, lr.size), BLOCK), 1, 1), (BLOCK, 1, 1),
            indices, index, examples, rates, lr, lr.size, len(rates), step, arrived,
        )  # fmt: skip


# ------------------------------------------------ what is timed


def rows(device: Device, K: int, R: int, B: int) -> Iterator[Workload]:
    """Yield the rows of an update of R replicas with B examples each."""
    take, zeros = NextRows(device.library), device.xp.zeros
    indices, index = zeros((K, R, B), np.int64), zeros((R, B), np.int64)
    rates, lr = device.reals(K, R), device.reals(R)
    step, arrived = zeros(1, np.int64), zeros(1, np.int32)

    floor = Floor(2 * (LONG * R * B + REAL * R))
    yield Workload(
        f"next_rows {R}x{B}", lambda: take(indices, index, rates, lr, step, arrived), floor, {"next_rows": floor}
    )


WORKLOADS = Workloads(rows, natural=({"K": 8, "R": 64, "B": 128},), miniature=({"K": 3, "R": 2, "B": 8},))
