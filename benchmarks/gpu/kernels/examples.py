"""One number for every example: right or wrong, and the length of its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minisgd.backend.cuda.kernels.shapes import blocks, require_shape
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Signature, array, scalar
from minisgd.backend.cuda.workload import LONG, REAL, Device, Floor, Workload, Workloads
from minisgd.typing import Array

WARPS = 4
FOLDER = Path(__file__).parent
MACROS = {"WARPS": WARPS}

HITS = Definition(
    "examples",
    Signature(
        "hits",
        (
            array("z", "real"),
            array("label", "int64"),
            array("hit", "real"),
            scalar("examples", "int64"),
            scalar("C", "int32"),
        ),
    ),
    (MACROS,),
    FOLDER,
)
NORMS = Definition(
    "examples",
    Signature(
        "example_norms",
        (
            array("x", "real"),
            array("dy", "real"),
            array("norm", "real"),
            scalar("examples", "int64"),
            scalar("I", "int32"),
            scalar("O", "int32"),
            scalar("bias", "int32"),
            scalar("scale", "real"),
            scalar("accumulate", "int32"),
        ),
    ),
    (MACROS,),
    FOLDER,
)

DEFINITIONS = (HITS, NORMS)


class Examples:
    """Numbers of the examples of a batch, (R, B)."""

    def __init__(self, library: KernelLibrary) -> None:
        self._hits, self._norms = library.kernel(HITS, **MACROS), library.kernel(NORMS, **MACROS)

    def hits(self, z: Array, label: Array, hit: Array) -> None:
        """hit = 1 where argmax z = label, else 0.  z (R, B, C)   label (R, B) int64   hit (R, B)"""
        R, B, C = z.shape
        require_shape(label, "hits: label", (R, B))
        require_shape(hit, "hits: hit", (R, B))
        self._hits((blocks(R * B, WARPS), 1, 1), (32 * WARPS, 1, 1), z, label, hit, R * B, C)

    def squared_norms(
        self, x: Array, dy: Array, norm: Array, *, bias: bool, scale: float = 1.0, accumulate: bool = False
    ) -> None:
        """norm = scale |dy|² (|x|² + bias), or added to norm (Goodfellow 2015).

        x (R, B, I)   dy (R, B, O)   norm (R, B)   scale: B² where dy is the gradient of a mean loss
        """
        R, B, I = x.shape  # noqa: E741
        O = dy.shape[-1]  # noqa: E741
        require_shape(dy, "example_norms: dy", (R, B, O))
        require_shape(norm, "example_norms: norm", (R, B))
        self._norms(
            (blocks(R * B, WARPS), 1, 1), (32 * WARPS, 1, 1),
            x, dy, norm, R * B, I, O, int(bias), float(scale), int(accumulate),
        )  # fmt: skip


# ------------------------------------------------ what is timed


def examples(device: Device, B: int, F: int, C: int) -> Iterator[Workload]:
    """Yield who was right among B examples of C classes, and the norms of a dense layer's gradients, from F to F."""
    kernels, x, dy = Examples(device.library), device.reals(1, B, F), device.reals(1, B, F)
    z, labels, result = device.reals(1, B, C), device.xp.zeros((1, B), np.int64), device.reals(1, B)
    floor = Floor(B * (REAL * (C + 1) + LONG))
    yield Workload(f"hits {B}x{C}", lambda: kernels.hits(z, labels, result), floor, {"hits": floor})
    floor = Floor(REAL * B * (2 * F + 1))
    yield Workload(
        "example_norms", lambda: kernels.squared_norms(x, dy, result, bias=True), floor, {"example_norms": floor}
    )


WORKLOADS = Workloads(
    examples,
    natural=({"B": 1 << 16, "F": 512, "C": 10},),
    miniature=({"B": 8, "F": 33, "C": 10},),
)
