"""Elementwise nonlinearities: one launch forward, one backward."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.kernels.affine import ACTIVATIONS as OF_THE_OUTPUT
from minisgd.backend.cuda.kernels.shapes import blocks, require_rows, require_shape, stride
from minisgd.backend.cuda.launcher import KernelLibrary, definition, variants
from minisgd.backend.cuda.workload import REAL, Device, Floor, Workload, Workloads
from minisgd.backend.dispatch import tuned
from minisgd.errors import ArgumentError
from minisgd.nn.cuda.replicas import stacked
from minisgd.nn.layers.activations import Activation, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from minisgd.nn.layers.gates import GELU
from minisgd.nn.shapes import reshaped
from minisgd.typing import Array

ACTIVATIONS = (*OF_THE_OUTPUT, "gelu")
"""The position is the number that the kernel knows; all but the last have a derivative that is a function of y."""

BLOCK = 256
VARIANTS = variants(BLOCK=(BLOCK,), ACTIVATION=tuple(range(1, len(ACTIVATIONS))))


_define = partial(definition, "activation", VARIANTS)
FORWARD = _define("activation", "x~ y~", "n:int64", "x_replica y_replica", "slope")
DX = _define("activation_dx", "at~ dy~ dx~", "n:int64", "at_replica dy_replica dx_replica", "slope")

DEFINITIONS = (FORWARD, DX)


class ActivationKernels:
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


# ------------------------------------------------ the methods


NAMES: dict[type, str] = {
    ReLU: "relu",
    LeakyReLU: "leaky_relu",
    Sigmoid: "sigmoid",
    Tanh: "tanh",
    Softplus: "softplus",
    GELU: "gelu",
}
"""What the kernels call them."""


def forward(self: Activation | GELU, ops: CupyVocabulary, x: Array) -> Array:
    """y = act(x)"""
    from_, to = _rows(self, x, self.y)
    ops.launch(_name(self), lambda: _kernel(self, ops).forward(from_, to), (x,), self.y)
    return self.y


def backward(self: Activation | GELU, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dx = dy act′"""
    if self.dx is None:
        return None
    at, slope, dx = _rows(self, self.x if isinstance(self, GELU) else self.y, dy, self.dx)
    ops.launch(_name(self), lambda: _kernel(self, ops).input_gradient(at, slope, dx), (at, dy), self.dx)
    return self.dx


for _kind in NAMES:
    tuned("cuda", _kind, "forward")(forward)
    tuned("cuda", _kind, "backward")(backward)


def _name(layer: Activation | GELU) -> str:
    return NAMES[type(layer)]


def _kernel(layer: Activation | GELU, ops: CupyVocabulary) -> ActivationKernels:
    slope = layer.negative_slope if isinstance(layer, LeakyReLU) else 0.0
    return ActivationKernels(ops.kernels.library(layer.y.dtype), _name(layer), slope)


def _rows(layer: Activation | GELU, *arrays: Array) -> list[Array]:
    """Return arrays (…, B, *x) as (R, n), n the elements of a replica."""
    return [reshaped(a, (a.shape[0], -1)) for a in stacked(layer.lead, *arrays)]


# ------------------------------------------------ what is timed


def activations(device: Device, n: int) -> Iterator[Workload]:
    """Yield every activation of n numbers, forward and backward."""
    x, y, dy, dx = (device.reals(1, n) for _ in range(4))
    forward, backward = Floor(2 * REAL * n), Floor(3 * REAL * n)
    for name in ACTIVATIONS[1:]:
        act = ActivationKernels(device.library, name)
        yield Workload(name, partial(act.forward, x, y), forward, {"activation": forward})
        yield Workload(f"{name}_dx", partial(act.input_gradient, x, dy, dx), backward, {"activation_dx": backward})


WORKLOADS = Workloads(activations, natural=({"n": 1 << 24},), miniature=({"n": 1000},))
