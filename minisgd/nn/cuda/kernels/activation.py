"""Elementwise nonlinearities: one launch forward, one backward."""

from __future__ import annotations

from minisgd.backend.cuda.kernels.affine import ACTIVATIONS as OF_THE_OUTPUT
from minisgd.backend.cuda.kernels.shapes import blocks, require_rows, require_shape, stride
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Signature, array, scalar, variants
from minisgd.errors import ArgumentError
from minisgd.typing import Array

ACTIVATIONS = (*OF_THE_OUTPUT, "gelu")
"""The position is the number that the kernel knows; all but the last have a derivative that is a function of y."""

BLOCK = 256
VARIANTS = variants(BLOCK=(BLOCK,), ACTIVATION=tuple(range(1, len(ACTIVATIONS))))


def _definition(name: str, arrays: str) -> Definition:
    pointers = [array(a, "real", strided=True) for a in arrays.split()]
    distances = [scalar(f"{a}_replica", "int64") for a in arrays.split()]
    return Definition(
        "activation", Signature(name, (*pointers, scalar("n", "int64"), *distances, scalar("slope", "real"))), VARIANTS
    )


FORWARD = _definition("activation", "x y")
DX = _definition("activation_dx", "at dy dx")

DEFINITIONS = (FORWARD, DX)


class Activation:
    """One of the activations, of R replicas, with the formulas of `minisgd.ReLU` and the others.

    x, y, dy, dx (R, n), contiguous within a replica   slope: of `minisgd.LeakyReLU`
    """

    def __init__(self, library: KernelLibrary, name: str, slope: float = 0.01) -> None:
        if name not in ACTIVATIONS[1:]:
            raise ArgumentError(
                "activation", expected=f"one of {', '.join(ACTIVATIONS[1:])}", got=name, fix="check the name"
            )
        macros = {"BLOCK": BLOCK, "ACTIVATION": ACTIVATIONS.index(name)}
        self._forward, self._dx = library.kernel(FORWARD, **macros), library.kernel(DX, **macros)
        self.slope = slope

    def forward(self, x: Array, y: Array) -> None:
        """y = act(x);  y may be x"""
        grid = _grid("activation", x=x, y=y)
        self._forward(grid, (BLOCK, 1, 1), x, y, x.shape[1], stride(x, 0), stride(y, 0), self.slope)

    def input_gradient(self, at: Array, dy: Array, dx: Array) -> None:
        """dx = dy act′(at);  at: y, or x for GELU.  dx may be dy"""
        grid = _grid("activation_dx", at=at, dy=dy, dx=dx)
        self._dx(
            grid, (BLOCK, 1, 1), at, dy, dx, at.shape[1], stride(at, 0), stride(dy, 0), stride(dx, 0), self.slope
        )  # fmt: skip


def _grid(kernel: str, **arrays: Array) -> tuple[int, int, int]:
    shape = next(iter(arrays.values())).shape
    for name, a in arrays.items():
        require_shape(a, f"{kernel}: {name}", shape)
        require_rows(a, f"{kernel}: {name}")
    return blocks(shape[1], BLOCK), shape[0], 1
