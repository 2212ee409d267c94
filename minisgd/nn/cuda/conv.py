"""Convolution as implicit matrix products: one launch forward, one for each gradient, no patches in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.kernels.shapes import blocks, require_dense_replicas, require_int32, require_shape, stride
from minisgd.backend.cuda.kernels.splits import Room, Workspace, workspace_elements
from minisgd.backend.cuda.kernels.tiles import MEDIUM, NARROW, SMALL, Cut, choose_cut
from minisgd.backend.cuda.launcher import KernelLibrary, definition, launch_all
from minisgd.backend.cuda.workload import Device, Floor, Workload, Workloads
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.replicas import stacked
from minisgd.nn.layers.conv import Conv2d
from minisgd.typing import Array, Shape

TILES = (MEDIUM, SMALL, NARROW)
VARIANTS = tuple({**tile.macros, "WIDE_LOADS": wide} for tile in TILES for wide in (0, 1))
BYTES_A_LOAD = 16
GEOMETRY = "B H W C O OH OW KH KW SH SW PH PW"

_define = partial(definition, "conv", VARIANTS)
CONV = _define("conv", "x~ W~ bias?~ y~", GEOMETRY, "x_replica W_replica bias_replica y_replica")
DX = _define("conv_dx", "dy~ W~ dx~", GEOMETRY, "dy_replica W_replica dx_replica")
DW = _define(
    "conv_dW",
    "x~ dy~ dW~ db?~ results?~ columns?~ arrived?:int32",
    f"splits {GEOMETRY}",
    "x_replica dy_replica dW_replica db_replica",
)

DEFINITIONS = (CONV, DX, DW)


@dataclass(frozen=True)
class Geometry:
    """A convolution of images (H, W, C) to (OH, OW, O), OH = (H + 2P − K) / S + 1, without the batch."""

    image: tuple[int, int, int]
    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    @property
    def output(self) -> tuple[int, int, int]:
        """(OH, OW, O)"""
        (H, W, _), (KH, KW), (SH, SW), (PH, PW) = self.image, self.kernel, self.stride, self.padding
        return (H + 2 * PH - KH) // SH + 1, (W + 2 * PW - KW) // SW + 1, self.channels

    @property
    def weights(self) -> tuple[int, int, int, int]:
        """(KH, KW, C, O)"""
        return (*self.kernel, self.image[2], self.channels)

    def numbers(self, B: int) -> tuple[int, ...]:
        """Return B and the geometry as the kernels take them."""
        OH, OW, O = self.output  # noqa: E741
        return (B, *self.image, O, OH, OW, *self.kernel, *self.stride, *self.padding)


class ConvKernels:
    """y = x ⋆ W + b and its gradients, for R replicas, with the formulas of `minisgd.Conv2d`.

    x, dx (R, B, H, W, C)   W, dW (R, KH, KW, C, O)   b, db (R, 1, O)   y, dy (R, B, OH, OW, O)

    Each replica of an array is contiguous; replicas may lie any distance apart.
    address: of the first element of an array, in bytes, as `Ops.address`; it decides whether loads are wide.
    multiprocessors: of the device, for which the tiling is chosen.
    """

    def __init__(
        self, library: KernelLibrary, address: Callable[[Array], int], geometry: Geometry, multiprocessors: int
    ) -> None:
        self.library, self.address, self.geometry = library, address, geometry
        self.multiprocessors = multiprocessors

    def workspace(self, R: int, B: int) -> int:
        """Return the elements of workspace that the weight gradient needs, 0 if it does not split."""
        KH, KW, C, O = self.geometry.weights  # noqa: E741
        return workspace_elements(self._cut_weights(R, B, True), R, KH * KW * C * O, O)

    def forward(self, x: Array, W: Array, b: Array | None, y: Array, *, cut: Cut | None = None) -> None:
        """y = x ⋆ W + b"""
        g, (R, B) = self.geometry, x.shape[:2]
        self._require("conv", (R, B), x=x, W=W, b=b, y=y)
        (OH, OW, O), (KH, KW, C, _) = g.output, g.weights  # noqa: E741
        cut = cut or self._cut(R, B * OH * OW, O, KH * KW * C)
        self.library.kernel(CONV, **self._macros(cut, x, W))(
            (blocks(O, cut.tile.n), blocks(B * OH * OW, cut.tile.m), R), (cut.tile.threads, 1, 1),
            x, W, b, y, *g.numbers(B), *(stride(a, 0) for a in (x, W, b, y)),
        )  # fmt: skip

    def input_gradient(self, dy: Array, W: Array, dx: Array, *, cut: Cut | None = None) -> None:
        """dx: every pixel gathers from the windows that cover it"""
        g, (R, B) = self.geometry, dy.shape[:2]
        self._require("conv_dx", (R, B), x=dx, W=W, b=None, y=dy)
        (H, Wd, C), (KH, KW, _, O) = g.image, g.weights  # noqa: E741
        cut = cut or self._cut(R, B * H * Wd, C, KH * KW * O)
        self.library.kernel(DX, **self._macros(cut, dy, W))(
            (blocks(C, cut.tile.n), blocks(B * H * Wd, cut.tile.m), R), (cut.tile.threads, 1, 1),
            dy, W, dx, *g.numbers(B), *(stride(a, 0) for a in (dy, W, dx)),
        )  # fmt: skip

    def weight_gradient(
        self,
        x: Array,
        dy: Array,
        dW: Array,
        db: Array | None,
        *,
        workspace: Workspace | None = None,
        cut: Cut | None = None,
    ) -> None:
        """dW = patchesᵀ dy    db = Σ_{B,H,W} dy"""
        g, (R, B) = self.geometry, x.shape[:2]
        self._require("conv_dW", (R, B), x=x, W=dW, b=db, y=dy)
        KH, KW, C, O = g.weights  # noqa: E741
        M, cut = KH * KW * C, cut or self._cut_weights(R, B, workspace is not None)
        room = Room("conv_dW", workspace).take(cut, R, M, O, columns=O)
        self.library.kernel(DW, **self._macros(cut, x, dy))(
            (blocks(O, cut.tile.n), blocks(M, cut.tile.m), R * cut.splits), (cut.tile.threads, 1, 1),
            x, dy, dW, db, *room, cut.splits, *g.numbers(B), *(stride(a, 0) for a in (x, dy, dW, db)),
        )  # fmt: skip

    def _macros(self, cut: Cut, *operands: Array) -> dict[str, str | int]:
        """Loads of 16 bytes need channels by as many, and every replica of both operands on a multiple of them."""
        many, (*_, C, O) = BYTES_A_LOAD // self.library.dtype.itemsize, self.geometry.weights  # noqa: E741
        aligned = all(self.address(a) % BYTES_A_LOAD == 0 == stride(a, 0) % many for a in operands)
        return {**cut.tile.macros, "WIDE_LOADS": int(aligned and C % many == 0 == O % many)}

    def _cut(self, R: int, M: int, N: int, K: int, may_split: bool = False) -> Cut:
        return choose_cut(R, M, N, K, self.multiprocessors, may_split=may_split, tiles=TILES)

    def _cut_weights(self, R: int, B: int, may_split: bool) -> Cut:
        (OH, OW, O), (KH, KW, C, _) = self.geometry.output, self.geometry.weights  # noqa: E741
        return self._cut(R, KH * KW * C, O, B * OH * OW, may_split)

    def _require(self, kernel: str, lead: Shape, *, x: Array, W: Array, b: Array | None, y: Array) -> None:
        g, R = self.geometry, lead[0]
        operands = {"x": (x, (*lead, *g.image)), "W": (W, (R, *g.weights)), "y": (y, (*lead, *g.output))}
        if b is not None:
            operands["b"] = (b, (R, 1, g.channels))
        for name, (operand, shape) in operands.items():
            require_shape(operand, f"{kernel}: {name}", shape)
            require_int32(operand.size // R, f"{kernel}: {name}")
            require_dense_replicas(operand, f"{kernel}: {name}")


# ------------------------------------------------ the methods


@tuned("cuda", Conv2d, "forward")
def forward(self: Conv2d, ops: CupyVocabulary, x: Array) -> Array:
    """y = x ⋆ W + b"""
    arrays = stacked(self.lead, x, self.W, self.b if self.bias else None, self.y)
    ops.launch("conv", lambda: _kernels(self, ops).forward(*arrays), (x, self.W), self.y)
    return self.y


@tuned("cuda", Conv2d, "backward")
def backward(self: Conv2d, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dW = Σ patchesᵀ dy    db = Σ_{B,H,W} dy    dx: every pixel gathers from the windows that cover it

    Neither reads what the other writes, and a small batch fills no device: they run beside each other.
    """
    kernels, both = _kernels(self, ops), self.learns and self.dx is not None
    if self.learns:
        x, slope, dW, db = stacked(self.lead, self.x, dy, self.dW, self.db if self.bias else None)
        work = ops.kernels.workspace(dy.dtype, kernels.workspace(*x.shape[:2]))
        ops.launch(
            "conv_dW", lambda: kernels.weight_gradient(x, slope, dW, db, workspace=work), (self.x, dy), self.dW,
            by=ops.fork.on_second if both else launch_all,
        )  # fmt: skip
    if self.dx is not None:
        arrays = stacked(self.lead, dy, self.W, self.dx)
        meet = ops.fork.meet if both else launch_all
        ops.launch("conv_dx", lambda: kernels.input_gradient(*arrays), (dy, self.W), self.dx, by=meet)
    return self.dx


def _kernels(layer: Conv2d, ops: CupyVocabulary) -> ConvKernels:
    geometry = Geometry(layer.x.shape[-3:], layer.channels, layer.kernel, layer.stride, layer.padding)
    return ConvKernels(ops.kernels.library(layer.y.dtype), ops.address, geometry, ops.kernels.multiprocessors)


# ------------------------------------------------ what is timed


def images(device: Device, B: int) -> Iterator[Workload]:
    """Yield the three products of a convolution."""
    geometry = Geometry((28, 28, 16), 32, (3, 3), padding=(1, 1))
    conv = ConvKernels(device.library, device.address, geometry, device.multiprocessors)
    (OH, OW, O), (KH, KW, C, _) = geometry.output, geometry.weights  # noqa: E741
    M, pixels = KH * KW * C, B * OH * OW
    x, dx, y, dy = (device.reals(1, B, *shape) for shape in (geometry.image,) * 2 + (geometry.output,) * 2)
    W, dW = device.reals(1, *geometry.weights), device.reals(1, *geometry.weights)
    b, db = device.reals(1, 1, O), device.reals(1, 1, O)
    floor = Floor(flop=2 * pixels * O * M)
    yield Workload("conv", lambda: conv.forward(x, W, b, y), floor, {"conv": floor})
    yield Workload("conv_dx", lambda: conv.input_gradient(dy, W, dx), floor, {"conv_dx": floor})

    cut = choose_cut(1, M, O, pixels, device.multiprocessors, tiles=TILES)
    workspace = device.workspace(cut.splits * (M + 1) * O)
    yield Workload(
        "conv_dW", lambda: conv.weight_gradient(x, dy, dW, db, workspace=workspace, cut=cut), floor, {"conv_dW": floor}
    )


WORKLOADS = Workloads(images, natural=({"B": 256},), miniature=({"B": 1},))
