"""The dense layer: three matrix products with everything around them fused in, one by one or both gradients at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from minisgd.backend.cuda.kernels.shapes import blocks, require_rows, require_shape, stride
from minisgd.backend.cuda.kernels.splits import Room, Workspace, workspace_elements
from minisgd.backend.cuda.kernels.tiles import TILES, Cut, choose_cut, choose_cuts
from minisgd.backend.cuda.launcher import KernelLibrary, definition
from minisgd.backend.cuda.workload import Device, Floor, Workload, Workloads
from minisgd.errors import ArgumentError
from minisgd.typing import Array

ACTIVATIONS = ("none", "relu", "leaky_relu", "sigmoid", "tanh", "softplus")
"""Those whose derivative can be had from their output; the position is the number that the kernel knows."""

VARIANTS = tuple(
    {**tile.macros, "WIDE_LOADS": wide, "ASYNC": past} for tile in TILES for wide in (0, 1) for past in (0, 1)
)


_define = partial(definition, "gemm", VARIANTS)
AFFINE = _define(
    "affine",
    "x~ W~ bias~? y~ results~? arrived?:int32",
    "B I O splits",
    "x_replica x_row W_replica W_row bias_replica y_replica y_row",
    "activation:int32 slope",
)
DX = _define(
    "affine_dx",
    "dy~ W~ x~? dx~ results~? arrived?:int32",
    "B I O splits",
    "dy_replica dy_row W_replica W_row x_replica x_row dx_replica dx_row",
    "activation:int32 slope",
)
DW = _define(
    "affine_dW",
    "x~ dy~ dW~ db~? results~? columns~? arrived?:int32",
    "B I O splits",
    "x_replica x_row dy_replica dy_row dW_replica dW_row db_replica",
)
GRADIENTS = _define(
    "affine_gradients",
    "x~ dy~ W~ dW~ db~? dx~ dx_results~? dW_results~? columns~? dx_arrived?:int32 dW_arrived?:int32",
    "B I O dx_splits dW_splits",
    "x_replica x_row dy_replica dy_row W_replica W_row dW_replica dW_row db_replica dx_replica dx_row",
    "activation:int32 slope",
)
DEFINITIONS = (AFFINE, DX, DW, GRADIENTS)


class Affine:
    """y = act(x W + b) and its gradients, for R replicas.

    x, dx (R, B, I)   W, dW (R, I, O)   b, db (R, 1, O)   y, dy (R, B, O)

    Rows must be contiguous; rows and replicas may lie any distance apart, so weights are views into the flat
    parameter vector, and an operand that all replicas share is a broadcast view.

    address: of the first element of an array, in bytes, as `Ops.address`.
    multiprocessors: of the device; with cut=None the tiling is chosen for so many.
    copies: whether the device copies to shared memory by itself, as those from sm_80 on do.
    """

    def __init__(
        self, library: KernelLibrary, address: Callable[[Array], int], multiprocessors: int, copies: bool = False
    ) -> None:
        self.library, self.address, self.multiprocessors = library, address, multiprocessors
        self.copies = copies and library.dtype == np.float32

    def workspace(self, R: int, B: int, I: int, O: int) -> int:  # noqa: E741
        """Return the elements of workspace that the fastest cuts of the three products need, 0 if they do not split."""
        forms = ((B, O, I, 0), (B, I, O, 0), (I, O, B, O))
        return max(self.workspace_of(R, M, N, K, sums=sums) for M, N, K, sums in forms)

    def workspace_of(self, R: int, M: int, N: int, K: int, *, sums: int = 0) -> int:
        """Return the same for R products (M, K) (K, N) alone.  sums: N for a weight gradient, for its column sums"""
        return workspace_elements(self._cut(R, M, N, K, True), R, M * N, sums)

    def forward(
        self,
        x: Array,
        W: Array,
        b: Array | None,
        y: Array,
        *,
        activation: str = "none",
        slope: float = 0.01,
        workspace: Workspace | None = None,
        cut: Cut | None = None,
    ) -> None:
        """y = act(x W + b)"""
        (R, B, I), O = x.shape, W.shape[-1]  # noqa: E741
        self._require("affine", (x, "x", (R, B, I)), (W, "W", (R, I, O)), (b, "b", (R, 1, O)), (y, "y", (R, B, O)))
        cut = cut or self._cut(R, B, O, I, workspace is not None)
        room = Room("affine", workspace).take(cut, R, B, O)
        self.library.kernel(AFFINE, **self._macros(cut, x, W))(
            _grid(cut, R, B, O), (cut.tile.threads, 1, 1), x, W, b, y, *room, B, I, O, cut.splits,
            *_strides(x, W), stride(b, 0), *_strides(y), _number(activation), slope,
        )  # fmt: skip

    def input_gradient(
        self,
        dy: Array,
        W: Array,
        dx: Array,
        *,
        x: Array | None = None,
        activation: str = "none",
        slope: float = 0.01,
        workspace: Workspace | None = None,
        cut: Cut | None = None,
    ) -> None:
        """dx = (dy Wᵀ) act′(x);  x is what the activation below put out, None if there is none"""
        (R, B, O), I = dy.shape, W.shape[-2]  # noqa: E741
        self._require("dx", (dy, "dy", (R, B, O)), (W, "W", (R, I, O)), (dx, "dx", (R, B, I)), (x, "x", (R, B, I)))
        cut = cut or self._cut(R, B, I, O, workspace is not None)
        room = Room("affine_dx", workspace).take(cut, R, B, I)
        self.library.kernel(DX, **self._macros(cut, dy, W))(
            _grid(cut, R, B, I), (cut.tile.threads, 1, 1), dy, W, x, dx, *room, B, I, O, cut.splits,
            *_strides(dy, W, x, dx), _number(activation), slope,
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
        """dW = xᵀ dy    db = Σ_B dy"""
        (R, B, I), O = x.shape, dy.shape[-1]  # noqa: E741
        self._require("dW", (x, "x", (R, B, I)), (dy, "dy", (R, B, O)), (dW, "dW", (R, I, O)), (db, "db", (R, 1, O)))
        cut = cut or self._cut(R, I, O, B, workspace is not None)
        room = Room("affine_dW", workspace).take(cut, R, I, O, columns=O)
        self.library.kernel(DW, **self._macros(cut, x, dy))(
            _grid(cut, R, I, O), (cut.tile.threads, 1, 1), x, dy, dW, db, *room, B, I, O, cut.splits,
            *_strides(x, dy, dW), stride(db, 0),
        )  # fmt: skip

    def cuts(self, R: int, B: int, I: int, O: int) -> tuple[Cut, Cut] | None:  # noqa: E741
        """Return the cuts of dx and of dW for one launch of both, or None where they are faster one by one."""
        return choose_cuts(R, (B, I, O), (I, O, B), self.multiprocessors)

    def workspace_of_both(self, cuts: tuple[Cut, Cut], R: int, B: int, I: int, O: int) -> int:  # noqa: E741
        """Return the elements of workspace that both gradients need in one launch with these cuts."""
        of_dx, of_dW = cuts
        return workspace_elements(of_dx, R, B * I) + workspace_elements(of_dW, R, I * O, O)

    def gradients(
        self,
        x: Array,
        dy: Array,
        W: Array,
        dW: Array,
        db: Array | None,
        dx: Array,
        cuts: tuple[Cut, Cut],
        *,
        activation: str = "none",
        slope: float = 0.01,
        workspace: Workspace | None = None,
    ) -> None:
        """dW = xᵀ dy    db = Σ_B dy    dx = (dy Wᵀ) act′(x), in one launch

        cuts: of dx and of dW, with one tile
        """
        (R, B, I), O = x.shape, dy.shape[-1]  # noqa: E741
        self._require("gradients", (x, "x", (R, B, I)), (dy, "dy", (R, B, O)), (W, "W", (R, I, O)))
        self._require("gradients", (dW, "dW", (R, I, O)), (db, "db", (R, 1, O)), (dx, "dx", (R, B, I)))
        room, (of_dx, of_dW) = Room("affine_gradients", workspace), cuts
        results, dx_arrived = room.take(of_dx, R, B, I)
        *sums, dW_arrived = room.take(of_dW, R, I, O, columns=O)
        blocks_x = _grid(of_dx, R, B, I)[0] + _grid(of_dW, R, I, O)[0]
        self.library.kernel(GRADIENTS, **self._macros(of_dx, x, dy, W))(
            (blocks_x, R, 1), (of_dx.tile.threads, 1, 1), x, dy, W, dW, db, dx, results, *sums, dx_arrived, dW_arrived,
            B, I, O, of_dx.splits, of_dW.splits, *_strides(x, dy, W, dW), stride(db, 0), *_strides(dx),
            _number(activation), slope,
        )  # fmt: skip

    def _cut(self, R: int, M: int, N: int, K: int, may_split: bool) -> Cut:
        return choose_cut(R, M, N, K, self.multiprocessors, may_split=may_split)

    def _macros(self, cut: Cut, *operands: Array) -> dict[str, str | int]:
        """Loads of 16 bytes need every row of both operands to start and end on a multiple of them; copies past the
        registers do not.
        """
        lanes = 16 // self.library.dtype.itemsize
        wide = all(
            self.address(a) % 16 == 0 and all(n % lanes == 0 for n in (a.shape[-1], *_strides(a))) for a in operands
        )
        return {**cut.tile.macros, "WIDE_LOADS": int(wide), "ASYNC": int(self.copies)}

    def _require(self, form: str, *operands: tuple[Array | None, str, tuple[int, ...]]) -> None:
        for operand, name, shape in operands:
            if operand is not None:
                require_shape(operand, f"{form}: {name}", shape)
                require_rows(operand, f"{form}: {name}")


def _strides(*operands: Array | None) -> tuple[int, ...]:
    return tuple(stride(a, axis) for a in operands for axis in (0, 1))


def _grid(cut: Cut, R: int, M: int, N: int) -> tuple[int, int, int]:
    return blocks(N, cut.tile.n) * blocks(M, cut.tile.m) * cut.splits, R, 1


def _number(activation: str) -> int:
    if activation not in ACTIVATIONS:
        expected, fix = f"one of {', '.join(ACTIVATIONS)}", "run other activations as layers of their own"
        raise ArgumentError("affine: activation", expected=expected, got=activation, fix=fix)
    return ACTIVATIONS.index(activation)


# ------------------------------------------------ what is timed


def products(device: Device, R: int, B: int, I: int, O: int) -> Iterator[Workload]:  # noqa: E741
    """Yield the three products of a dense layer; a small product with a long sum is split over blocks."""
    affine = Affine(device.library, device.address, device.multiprocessors, device.copies)
    x, dx, y, dy = device.reals(R, B, I), device.reals(R, B, I), device.reals(R, B, O), device.reals(R, B, O)
    W, dW, b, db = device.reals(R, I, O), device.reals(R, I, O), device.reals(R, 1, O), device.reals(R, 1, O)
    workspace = device.workspace(affine.workspace(R, B, I, O))
    floor, shape = Floor(flop=2 * R * B * I * O), f"{R}x{B}x{I}x{O}"
    for name, run in (
        ("affine", lambda: affine.forward(x, W, b, y, activation="relu", workspace=workspace)),
        ("affine_dx", lambda: affine.input_gradient(dy, W, dx, x=x, activation="relu", workspace=workspace)),
        ("affine_dW", lambda: affine.weight_gradient(x, dy, dW, db, workspace=workspace)),
    ):
        yield Workload(f"{name} {shape}", run, floor, {name: floor})
    cuts = affine.cuts(R, B, I, O)
    if cuts is not None:
        room = device.workspace(affine.workspace_of_both(cuts, R, B, I, O))
        both = Floor(flop=2 * floor.flop)
        yield Workload(
            f"affine_gradients {shape}",
            lambda: affine.gradients(x, dy, W, dW, db, dx, cuts, activation="relu", workspace=room),
            both,
            {"affine_gradients": both},
        )


WORKLOADS = Workloads(
    products,
    natural=(
        {"R": 64, "B": 128, "I": 512, "O": 512},
        {"R": 1, "B": 128, "I": 512, "O": 512},
        {"R": 1, "B": 256, "I": 1024, "O": 1024},
        {"R": 1, "B": 512, "I": 2048, "O": 2048},
        {"R": 1, "B": 2048, "I": 2048, "O": 2048},
        {"R": 1, "B": 4096, "I": 4096, "O": 4096},
        {"R": 1, "B": 32, "I": 4096, "O": 128},  # few results, long sums: split
        {"R": 1, "B": 32, "I": 128, "O": 4096},
        {"R": 1, "B": 8192, "I": 128, "O": 128},
        {"R": 1, "B": 2048, "I": 2047, "O": 2047},  # not aligned: beside 2048
    ),
    miniature=(
        {"R": 2, "B": 8, "I": 32, "O": 32},
        {"R": 1, "B": 2, "I": 512, "O": 4},
        {"R": 1, "B": 2, "I": 4, "O": 512},
        {"R": 1, "B": 512, "I": 4, "O": 4},
        {"R": 2, "B": 5, "I": 33, "O": 31},
    ),
)
