"""Batch normalisation: statistics by slabs of rows, merged in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from minisgd.backend.cuda.kernels.shapes import (
    blocks,
    halves,
    power_of_two,
    require_dense_replicas,
    require_int32,
    require_rows,
    require_shape,
    stride,
)
from minisgd.backend.cuda.launcher import MAX_GRID, Extent, KernelLibrary, Macros, definition
from minisgd.backend.cuda.workload import REAL, Device, Floor, Workload, Workloads
from minisgd.errors import ShapeError
from minisgd.typing import Array

BLOCK = 256
VARIANTS: tuple[Macros, ...] = tuple({"CHANNELS": c, "DEEP": BLOCK // c} for c in (8, 32))
SLAB = 512
"""Rows of a ghost batch that one block reads, at least."""
MOST_SLABS = 64
"""More would make the merging kernel, one thread a channel, the slower part."""
PASS = 64
"""Rows that one block reads and writes where there is nothing to merge."""


_define = partial(definition, "batch_norm", VARIANTS)
MOMENTS = _define("moments", "x~ partial_mean partial_squares", "n C G ghost", "x_replica")
MOMENTS_FINISH = _define(
    "moments_finish",
    "partial_mean partial_squares mean inv running_mean~ running_var~ running_weight~",
    "n C G ghost slabs",
    "running_replica",
    "rate eps",
)
NORMALISE = _define(
    "normalise", "x~ mean inv gamma?~ beta?~ y~", "n C G ghost", "x_replica y_replica gamma_replica beta_replica"
)
INFER = _define(
    "infer",
    "x~ running_mean~ running_var~ gamma?~ beta?~ y~",
    "n C",
    "x_replica y_replica running_replica gamma_replica beta_replica",
    "eps",
)
SUMS = _define("gradient_sums", "x~ dy~ mean inv partial_dy partial_dy_xhat", "n C G ghost", "x_replica dy_replica")
SUMS_FINISH = _define(
    "gradient_sums_finish",
    "partial_dy partial_dy_xhat sum_dy sum_dy_xhat dgamma?~ dbeta?~",
    "C G slabs",
    "dgamma_replica dbeta_replica",
)
DX = _define(
    "input_gradient",
    "x~ dy~ mean inv gamma?~ sum_dy sum_dy_xhat dx~",
    "n C G ghost",
    "x_replica dy_replica dx_replica gamma_replica",
)

DEFINITIONS = (MOMENTS, MOMENTS_FINISH, NORMALISE, INFER, SUMS, SUMS_FINISH, DX)


@dataclass(frozen=True)
class Ghosts:
    """How n rows are cut into ghost batches: `count` of `size` rows, the last one to the end."""

    count: int
    size: int

    @classmethod
    def of(cls, batch: int, per_example: int, ghost: int | None) -> Ghosts:
        """Cut a batch of `batch` examples, each with `per_example` rows, as `minisgd.BatchNorm` does.

        Raises:
            ShapeError: If a ghost batch would have a single value per channel.
        """
        size = min(ghost or batch, batch)
        count, left = divmod(batch, size)
        count += 1 if left * per_example > 1 else 0  # a single value has no variance: it joins the one before
        if size * per_example == 1:
            raise ShapeError(
                "batch_norm: x",
                expected="at least two values per channel in every ghost batch",
                got=f"a batch of {batch}, normalised {size} at a time",
                fix="use a larger batch or layer_norm",
            )
        return cls(count, size * per_example)

    def slabs(self, n: int) -> int:
        """Return how many blocks share the rows of one ghost batch."""
        longest = max(self.size, n - (self.count - 1) * self.size)
        return min(MOST_SLABS, blocks(longest, SLAB))

    def parts(self, n: int) -> int:
        """Return how many blocks share the rows of one ghost batch where nothing is added up."""
        longest = max(self.size, n - (self.count - 1) * self.size)
        return min(MAX_GRID[1], blocks(longest, PASS))

    def workspace(self, R: int, n: int, C: int) -> int:
        """Return the elements of workspace that the two sums of one pass need."""
        return 2 * R * self.count * self.slabs(n) * C


class BatchNormKernels:
    """Batch normalisation of R replicas with the formulas of `minisgd.BatchNorm`.

    x, y, dy, dx (R, n, C)        mean, inv, sum_dy, sum_dy_xhat (R, G, C), G ghost batches
    gamma, beta, dgamma, dbeta, running_* (R, 1, C), views into the flat vectors; the first four may be None
    workspace: `Ghosts.workspace` elements. y may be x; dx may be dy.
    """

    def __init__(self, library: KernelLibrary) -> None:
        self.library = library

    def forward(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        y: Array,
        mean: Array,
        inv: Array,
        running_mean: Array,
        running_var: Array,
        running_weight: Array,
        *,
        ghosts: Ghosts,
        rate: float,
        eps: float,
        workspace: Array,
    ) -> None:
        """y = γ (x − μ) inv + β, and the running averages, ghost batch by ghost batch"""
        R, n, C = self._check(x, y, running_mean, running_var, running_weight)
        G, size, slabs, macros = ghosts.count, ghosts.size, ghosts.slabs(n), self._macros(C)
        for statistic in (mean, inv):
            require_shape(statistic, "batch_norm: mean, inv", (R, G, C))
        first, second = halves(workspace, ghosts.workspace(R, n, C), "batch_norm: workspace")
        self.library.kernel(MOMENTS, **macros)(
            *_shape(C, macros, slabs, R * G),
            x, first, second, n, C, G, size, stride(x, 0),
        )  # fmt: skip
        self.library.kernel(MOMENTS_FINISH, **macros)(
            (blocks(C, BLOCK), R, 1), (BLOCK, 1, 1),
            first, second, mean, inv, running_mean, running_var, running_weight, n, C, G, size, slabs,
            stride(running_mean, 0), rate, eps,
        )  # fmt: skip
        self.library.kernel(NORMALISE, **macros)(
            *_shape(C, macros, ghosts.parts(n), R * G),
            x, mean, inv, gamma, beta, y, n, C, G, size, *(stride(a, 0) for a in (x, y, gamma, beta)),
        )  # fmt: skip

    def infer(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        y: Array,
        running_mean: Array,
        running_var: Array,
        *,
        eps: float,
    ) -> None:
        """y = γ (x − r_mean) / √(r_var + ε) + β"""
        R, n, C = self._check(x, y, running_mean, running_var)
        macros = self._macros(C)
        self.library.kernel(INFER, **macros)(
            *_shape(C, macros, Ghosts(1, n).parts(n), R),
            x, running_mean, running_var, gamma, beta, y, n, C,
            *(stride(a, 0) for a in (x, y, running_mean, gamma, beta)), eps,
        )  # fmt: skip

    def backward(
        self,
        x: Array,
        dy: Array,
        gamma: Array | None,
        mean: Array,
        inv: Array,
        dgamma: Array | None,
        dbeta: Array | None,
        dx: Array | None,
        sum_dy: Array,
        sum_dy_xhat: Array,
        *,
        ghosts: Ghosts,
        workspace: Array,
    ) -> None:
        """dγ = Σ dy x̂    dβ = Σ dy    dx = γ inv (dy − mean(dy) − x̂ mean(dy x̂));  dx None where nobody needs it"""
        R, n, C = self._check(x, dy)
        G, size, slabs, macros = ghosts.count, ghosts.size, ghosts.slabs(n), self._macros(C)
        for statistic in (mean, inv, sum_dy, sum_dy_xhat):
            require_shape(statistic, "batch_norm: mean, inv, sums", (R, G, C))
        first, second = halves(workspace, ghosts.workspace(R, n, C), "batch_norm: workspace")
        self.library.kernel(SUMS, **macros)(
            *_shape(C, macros, slabs, R * G),
            x, dy, mean, inv, first, second, n, C, G, size, stride(x, 0), stride(dy, 0),
        )  # fmt: skip
        self.library.kernel(SUMS_FINISH, **macros)(
            (blocks(C, BLOCK), R, 1), (BLOCK, 1, 1),
            first, second, sum_dy, sum_dy_xhat, dgamma, dbeta, C, G, slabs, stride(dgamma, 0), stride(dbeta, 0),
        )  # fmt: skip
        if dx is None:
            return
        self._check(dy, dx)
        self.library.kernel(DX, **macros)(
            *_shape(C, macros, ghosts.parts(n), R * G),
            x, dy, mean, inv, gamma, sum_dy, sum_dy_xhat, dx, n, C, G, size,
            *(stride(a, 0) for a in (x, dy, dx, gamma)),
        )  # fmt: skip

    def _macros(self, C: int) -> Macros:
        return VARIANTS[0] if power_of_two(C) <= 8 else VARIANTS[1]

    def _check(self, x: Array, y: Array, *statistics: Array) -> tuple[int, int, int]:
        """Replicas may lie any distance apart; within one everything is contiguous."""
        R, n, C = x.shape
        require_int32(n * C, "batch_norm: x")
        require_shape(y, "batch_norm: y, dy, dx", x.shape)
        for a in (x, y):
            require_dense_replicas(a, "batch_norm: x, y, dy, dx")
        for statistic in statistics:
            require_shape(statistic, "batch_norm: running statistics", (R, 1, C))
            require_rows(statistic, "batch_norm: running statistics")
        return R, n, C


def _shape(C: int, macros: Macros, slabs: int, ghosts: int) -> tuple[Extent, Extent]:
    """Return grid and block of the kernels that go down columns."""
    channels, deep = int(macros["CHANNELS"]), int(macros["DEEP"])
    return (blocks(C, channels), slabs, ghosts), (channels, deep, 1)


# ------------------------------------------------ what is timed


def batch_norm(device: Device, n: int, C: int) -> Iterator[Workload]:
    """Yield batch normalisation of n rows of C: training forward, backward, and inference."""
    norm, ghosts = BatchNormKernels(device.library), Ghosts.of(n, 1, None)
    x, y, dy = (device.reals(1, n, C) for _ in range(3))
    gamma, beta, mean, inv, low, high, weight, dgamma, dbeta = (device.reals(1, 1, C) for _ in range(9))
    workspace, one_pass = device.reals(ghosts.workspace(1, n, C)), REAL * n * C
    finish = Floor(REAL * ghosts.workspace(1, n, C))
    yield Workload(
        "batch_norm forward",
        lambda: norm.forward(
            x, gamma, beta, y, mean, inv, low, high, weight, ghosts=ghosts, rate=0.1, eps=1e-5, workspace=workspace
        ),
        Floor(3 * one_pass),
        {"moments": Floor(one_pass), "moments_finish": finish, "normalise": Floor(2 * one_pass)},
    )
    yield Workload(
        "batch_norm backward",
        lambda: norm.backward(x, dy, gamma, mean, inv, dgamma, dbeta, y, low, high, ghosts=ghosts, workspace=workspace),
        Floor(5 * one_pass),
        {
            "gradient_sums": Floor(2 * one_pass),
            "gradient_sums_finish": finish,
            "input_gradient": Floor(3 * one_pass),
        },
    )
    yield Workload(
        "batch_norm inference",
        lambda: norm.infer(x, gamma, beta, y, low, high, eps=1e-5),
        Floor(2 * one_pass),
        {"infer": Floor(2 * one_pass)},
    )


WORKLOADS = Workloads(batch_norm, natural=({"n": 1 << 16, "C": 256},), miniature=({"n": 64, "C": 16},))
