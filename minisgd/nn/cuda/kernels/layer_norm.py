"""Layer normalisation: a warp a row, and column sums by slabs for the parameters."""

from __future__ import annotations

from minisgd.backend.cuda.kernels.shapes import blocks, require_rows, require_shape, stride
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Signature, array, scalar
from minisgd.errors import ShapeError
from minisgd.typing import Array

WARPS = 8
MACROS = {"WARPS": WARPS}
SLAB, MOST_SLABS = 256, 64


def _definition(name: str, arrays: str, scalars: str, reals: str = "") -> Definition:
    pointers = [array(a.rstrip("~"), "real", strided="~" in a) for a in arrays.split()]
    widths = [scalar(s, "int64" if s.endswith("_replica") else "int32") for s in scalars.split()]
    return Definition(
        "layer_norm", Signature(name, (*pointers, *widths, *(scalar(s, "real") for s in reals.split()))), (MACROS,)
    )


FORWARD = _definition("layer_norm", "x gamma~ beta~ y mean inv", "n F gamma_replica beta_replica", "eps")
DX = _definition("layer_norm_dx", "x dy gamma~ mean inv dx", "n F gamma_replica")
SUMS = _definition("layer_norm_sums", "x dy mean inv partial_dgamma partial_dbeta", "n F")
SUMS_FINISH = _definition(
    "layer_norm_sums_finish", "partial_dgamma partial_dbeta dgamma~ dbeta~", "F slabs dgamma_replica dbeta_replica"
)

DEFINITIONS = (FORWARD, DX, SUMS, SUMS_FINISH)


class LayerNorm:
    """Layer normalisation of R replicas with the formulas of `minisgd.LayerNorm`.

    x, y, dy, dx (R, n, F)   gamma, beta, dgamma, dbeta (R, 1, F), views into the flat vectors   mean, inv (R, n)
    """

    def __init__(self, library: KernelLibrary) -> None:
        self._kernels = {d.name: library.kernel(d, **MACROS) for d in DEFINITIONS}

    def workspace(self, R: int, n: int, F: int) -> int:
        """Return the elements of workspace that backward needs."""
        return 2 * R * _slabs(n) * F

    def forward(self, x: Array, gamma: Array, beta: Array, y: Array, mean: Array, inv: Array, *, eps: float) -> None:
        """y = γ (x − μ) inv + β"""
        R, n, F = self._check(x, y, gamma, beta)
        require_shape(mean, "layer_norm: mean", (R, n))
        require_shape(inv, "layer_norm: inv", (R, n))
        self._kernels["layer_norm"](
            (blocks(n, WARPS), R, 1), (32 * WARPS, 1, 1),
            x, gamma, beta, y, mean, inv, n, F, stride(gamma, 0), stride(beta, 0), eps,
        )  # fmt: skip

    def backward(
        self,
        x: Array,
        dy: Array,
        gamma: Array,
        mean: Array,
        inv: Array,
        dgamma: Array,
        dbeta: Array,
        dx: Array | None,
        *,
        workspace: Array,
    ) -> None:
        """dγ = Σ dy x̂    dβ = Σ dy    dx = inv (g − mean(g) − x̂ mean(g x̂)),  g = γ dy;  dx may be dy, or None"""
        R, n, F = self._check(x, dy, gamma, dgamma, dbeta)
        slabs, elements = _slabs(n), self.workspace(R, n, F)
        if workspace.size < elements:
            raise ShapeError(
                "layer_norm: workspace",
                expected=f"at least {elements} elements",
                got=workspace.shape,
                fix="size it with workspace()",
            )
        flat = workspace.reshape(-1)
        first, second = flat[: elements // 2], flat[elements // 2 : elements]
        self._kernels["layer_norm_sums"](
            (blocks(F, 32), slabs, R), (32, WARPS, 1), x, dy, mean, inv, first, second, n, F
        )
        self._kernels["layer_norm_sums_finish"](
            (blocks(F, 32 * WARPS), R, 1), (32 * WARPS, 1, 1),
            first, second, dgamma, dbeta, F, slabs, stride(dgamma, 0), stride(dbeta, 0),
        )  # fmt: skip
        if dx is not None:
            require_shape(dx, "layer_norm: dx", x.shape)
            self._kernels["layer_norm_dx"](
                (blocks(n, WARPS), R, 1), (32 * WARPS, 1, 1), x, dy, gamma, mean, inv, dx, n, F, stride(gamma, 0)
            )

    def _check(self, x: Array, y: Array, *parameters: Array) -> tuple[int, int, int]:
        R, n, F = x.shape
        require_shape(y, "layer_norm: y, dy", x.shape)
        for parameter in parameters:
            require_shape(parameter, "layer_norm: gamma, beta", (R, 1, F))
            require_rows(parameter, "layer_norm: gamma, beta")
        return R, n, F


def _slabs(n: int) -> int:
    return max(1, min(MOST_SLABS, blocks(n, SLAB)))
