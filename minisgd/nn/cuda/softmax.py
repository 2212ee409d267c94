"""Softmax of rows, those of attention with the scores left out that must not count: a warp a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.kernels.shapes import blocks, require_shape
from minisgd.backend.cuda.launcher import KernelLibrary, Macros, definition
from minisgd.backend.cuda.workload import REAL, Device, Floor, Workload, Workloads
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.replicas import dense
from minisgd.nn.declaration import Declaration
from minisgd.nn.layers.attention import LEAST, ScaledDotProduct
from minisgd.nn.layers.softmax import Softmax
from minisgd.nn.shapes import rows
from minisgd.typing import Array, Shape

WARPS = 8
MACROS: Macros = {"WARPS": WARPS, "LEAST": str(LEAST)}


_define = partial(definition, "softmax", (MACROS,))
FORWARD = _define("softmax", "S hidden? P", "n F rows_of_example causal")
DX = _define("softmax_dx", "P dP dS", "n F")

DEFINITIONS = (FORWARD, DX)


class SoftmaxKernels:
    """Softmax of the rows of R replicas, with the formulas of `minisgd.Softmax` and of attention.

    S, P, dP, dS (R, n, F)   hidden (R, B, F), added to the scores of n / B rows each, or None
    """

    def __init__(self, library: KernelLibrary) -> None:
        self._forward, self._dx = library.kernel(FORWARD, **MACROS), library.kernel(DX, **MACROS)

    def forward(self, S: Array, P: Array, hidden: Array | None = None, *, causal: bool = False) -> None:
        """P = softmax(S + hidden), of row i only the columns up to i mod F where causal;  P may be S"""
        R, n, F = S.shape
        require_shape(P, "softmax: P", S.shape)
        rows_of_example = 1
        if hidden is not None:
            require_shape(hidden, "softmax: hidden", (R, hidden.shape[1], F))
            rows_of_example = n // hidden.shape[1]
        grid = (blocks(n, WARPS), R, 1)
        self._forward(grid, (32 * WARPS, 1, 1), S, hidden, P, n, F, rows_of_example, int(causal))

    def backward(self, P: Array, dP: Array, dS: Array) -> None:
        """dS = P (dP − Σ dP P);  dS may be dP"""
        R, n, F = P.shape
        for name, a in (("dP", dP), ("dS", dS)):
            require_shape(a, f"softmax_dx: {name}", P.shape)
        self._dx((blocks(n, WARPS), R, 1), (32 * WARPS, 1, 1), P, dP, dS, n, F)


# ------------------------------------------------ the methods


@tuned("cuda", Softmax, "forward")
def forward(self: Softmax, ops: CupyVocabulary, x: Array) -> Array:
    """y = softmax x"""
    _softmax(ops, self.lead, x, self.y)
    return self.y


@tuned("cuda", Softmax, "backward")
def backward(self: Softmax, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dx = y (dy − Σ dy y)"""
    if self.dx is not None:
        _gradient(ops, self.lead, self.y, dy, self.dx)
    return self.dx


@tuned("cuda", ScaledDotProduct, "declare")
def declare(self: ScaledDotProduct, x: Shape) -> Declaration:
    """The arrays of the textbook, but for those that a warp keeps to itself."""
    declared = self.declare(x)
    return replace(declared, buffers={k: b for k, b in declared.buffers.items() if k not in ("mask", "top", "work")})


@tuned("cuda", ScaledDotProduct, "weigh")
def weigh(self: ScaledDotProduct, ops: CupyVocabulary) -> None:
    """P ← softmax P"""
    _softmax(ops, self.lead, self.P, self.P, self.hidden if self.padding else None, causal=self.causal)


@tuned("cuda", ScaledDotProduct, "weigh_gradient")
def weigh_gradient(self: ScaledDotProduct, ops: CupyVocabulary) -> None:
    """dS ← P (dS − Σ dS P)"""
    _gradient(ops, self.lead, self.P, self.dS, self.dS)


def _softmax(
    ops: CupyVocabulary, lead: Shape, x: Array, y: Array, hidden: Array | None = None, *, causal: bool = False
) -> None:
    def emit() -> None:
        for x_, y_, hidden_ in dense(lead, rows(x, lead), rows(y, lead), hidden):
            ops.family(SoftmaxKernels, x.dtype).forward(x_, y_, hidden_, causal=causal)

    ops.launch("softmax", emit, (x,) if hidden is None else (x, hidden), y)


def _gradient(ops: CupyVocabulary, lead: Shape, y: Array, dy: Array, dx: Array) -> None:
    def emit() -> None:
        for parts in dense(lead, *(rows(a, lead) for a in (y, dy, dx))):
            ops.family(SoftmaxKernels, y.dtype).backward(*parts)

    ops.launch("softmax_dx", emit, (y, dy), dx)


# ------------------------------------------------ what is timed


def softmaxes(device: Device, B: int, H: int, T: int) -> Iterator[Workload]:
    """Yield the softmax of a batch's scores of attention, causal and padded, and its gradient."""
    kernels, S, P, dP = SoftmaxKernels(device.library), *(device.reals(1, B * H * T, T) for _ in range(3))
    hidden, one = device.reals(1, B, T), REAL * B * H * T * T
    hidden[..., T // 2 :] = -1e30  # half of every sequence is padding
    for name, mask, causal in (("", None, False), (" causal", None, True), (" padded", hidden, False)):
        yield Workload(
            f"softmax{name}",
            lambda mask=mask, causal=causal: kernels.forward(S, P, mask, causal=causal),  # type: ignore[misc]
            Floor(2 * one),
            {"softmax": Floor(2 * one)},
        )
    yield Workload("softmax_dx", lambda: kernels.backward(P, dP, S), Floor(3 * one), {"softmax_dx": Floor(3 * one)})


WORKLOADS = Workloads(softmaxes, natural=({"B": 64, "H": 4, "T": 256},), miniature=({"B": 2, "H": 2, "T": 33},))
