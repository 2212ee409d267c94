"""Layer and root mean square normalisation: a warp a row, and column sums by slabs for the parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.kernels.shapes import blocks, halves, require_rows, require_shape, stride
from minisgd.backend.cuda.launcher import KernelLibrary, definition, variants
from minisgd.backend.cuda.workload import REAL, Device, Floor, Workload, Workloads
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.replicas import dense, stacked
from minisgd.nn.layers.layer_norm import LayerNorm
from minisgd.nn.layers.rms_norm import RMSNorm
from minisgd.nn.shapes import rows
from minisgd.typing import Array

WARPS = 8
SLAB, MOST_SLABS = 256, 64


_define = partial(definition, "layer_norm", variants(WARPS=(WARPS,), CENTRED=(1, 0)))
FORWARD = _define("layer_norm", "x gamma~ beta~? y mean? inv", "n F", "gamma_replica beta_replica", "eps")
DX = _define("layer_norm_dx", "x dy gamma~ mean? inv dx", "n F", "gamma_replica")
SUMS = _define("layer_norm_sums", "x dy mean? inv partial_dgamma partial_dbeta", "n F")
SUMS_FINISH = _define(
    "layer_norm_sums_finish", "partial_dgamma partial_dbeta dgamma~ dbeta~?", "F slabs", "dgamma_replica dbeta_replica"
)

DEFINITIONS = (FORWARD, DX, SUMS, SUMS_FINISH)


class LayerNormKernels:
    """Layer normalisation of R replicas with the formulas of `minisgd.LayerNorm`.

    x, y, dy, dx (R, n, F)   gamma, beta, dgamma, dbeta (R, 1, F), views into the flat vectors   mean, inv (R, n)
    """

    centred = True

    def __init__(self, library: KernelLibrary) -> None:
        self._kernels = {d.name: library.kernel(d, WARPS=WARPS, CENTRED=int(self.centred)) for d in DEFINITIONS}

    def workspace(self, R: int, n: int, F: int) -> int:
        """Return the elements of workspace that backward needs."""
        return 2 * R * _slabs(n) * F

    def forward(
        self, x: Array, gamma: Array, beta: Array | None, y: Array, mean: Array | None, inv: Array, *, eps: float
    ) -> None:
        """y = γ (x − μ) inv + β"""
        R, n, F = self._check(x, y, gamma, beta)
        for name, a in (("mean", mean), ("inv", inv)):
            if a is not None:
                require_shape(a, f"layer_norm: {name}", (R, n))
        self._kernels["layer_norm"](
            (blocks(n, WARPS), R, 1), (32 * WARPS, 1, 1),
            x, gamma, beta, y, mean, inv, n, F, stride(gamma, 0), stride(beta, 0), eps,
        )  # fmt: skip

    def backward(
        self,
        x: Array,
        dy: Array,
        gamma: Array,
        mean: Array | None,
        inv: Array,
        dgamma: Array | None,
        dbeta: Array | None,
        dx: Array | None,
        *,
        workspace: Array,
    ) -> None:
        """dγ = Σ dy x̂    dβ = Σ dy    dx = inv (g − mean(g) − x̂ mean(g x̂)),  g = γ dy;  dx may be dy, or None

        dgamma, dbeta: None in a frozen layer, dbeta and mean also without centring
        """
        R, n, F = self._check(x, dy, gamma)
        if dgamma is not None:
            self._sums(x, dy, mean, inv, dgamma, dbeta, workspace)
        if dx is not None:
            require_shape(dx, "layer_norm: dx", x.shape)
            self._kernels["layer_norm_dx"](
                (blocks(n, WARPS), R, 1), (32 * WARPS, 1, 1), x, dy, gamma, mean, inv, dx, n, F, stride(gamma, 0)
            )

    def _sums(
        self,
        x: Array,
        dy: Array,
        mean: Array | None,
        inv: Array,
        dgamma: Array,
        dbeta: Array | None,
        workspace: Array,
    ) -> None:
        """dγ = Σ dy x̂    dβ = Σ dy"""
        R, n, F = self._check(x, dy, dgamma, dbeta)
        slabs, elements = _slabs(n), self.workspace(R, n, F)
        first, second = halves(workspace, elements, "layer_norm: workspace")
        self._kernels["layer_norm_sums"](
            (blocks(F, 32), slabs, R), (32, WARPS, 1), x, dy, mean, inv, first, second, n, F
        )
        self._kernels["layer_norm_sums_finish"](
            (blocks(F, 32 * WARPS), R, 1), (32 * WARPS, 1, 1),
            first, second, dgamma, dbeta, F, slabs, stride(dgamma, 0), stride(dbeta, 0),
        )  # fmt: skip

    def _check(self, x: Array, y: Array, *parameters: Array | None) -> tuple[int, int, int]:
        R, n, F = x.shape
        require_shape(y, "layer_norm: y, dy", x.shape)
        for parameter in parameters:
            if parameter is not None:
                require_shape(parameter, "layer_norm: gamma, beta", (R, 1, F))
                require_rows(parameter, "layer_norm: gamma, beta")
        return R, n, F


class RMSNormKernels(LayerNormKernels):
    """The same without centring, with the formulas of `minisgd.RMSNorm`: no mean, no beta."""

    centred = False


def _slabs(n: int) -> int:
    return max(1, min(MOST_SLABS, blocks(n, SLAB)))


# ------------------------------------------------ the methods

Normalisation: TypeAlias = LayerNorm | RMSNorm


@tuned("cuda", LayerNorm, "forward")
@tuned("cuda", RMSNorm, "forward")
def forward(self: Normalisation, ops: CupyVocabulary, x: Array) -> Array:
    """y = γ (x − μ)/√(σ² + ε) + β"""
    batch = rows(x, self.lead), rows(self.y, self.lead), *_moments(self)

    def emit() -> None:
        beta = self.beta if isinstance(self, LayerNorm) else None
        for (x_, y, mean, inv), parameters in _parts(self, batch, (self.gamma, beta)):
            ops.family(_kernels(self), x.dtype).forward(x_, *parameters, y, mean, inv, eps=self.eps)

    ops.launch("layer_norm", emit, (x,), self.y)
    return self.y


@tuned("cuda", LayerNorm, "backward")
@tuned("cuda", RMSNorm, "backward")
def backward(self: Normalisation, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dγ = Σ dy x̂    dβ = Σ dy    with g = γ dy:  dx = (g − mean(g) − x̂ mean(g x̂)) / √(σ²+ε)"""
    dx = None if self.dx is None else rows(self.dx, self.lead)
    batch = rows(self.x, self.lead), rows(dy, self.lead), *_moments(self), dx

    def emit() -> None:
        kernels = ops.family(_kernels(self), dy.dtype)
        dbeta = self.dbeta if isinstance(self, LayerNorm) and self.learns else None
        slopes = (self.dgamma if self.learns else None, dbeta)
        for (x, slope, mean, inv, out), (gamma, dgamma, dbeta) in _parts(self, batch, (self.gamma, *slopes)):
            work = ops.kernels.scratch(dy.dtype, kernels.workspace(*x.shape))
            kernels.backward(x, slope, gamma, mean, inv, dgamma, dbeta, out, workspace=work)

    ops.launch("layer_norm_dx", emit, (self.x, dy), dy if self.dx is None else self.dx)
    return self.dx


def _kernels(layer: Normalisation) -> type[LayerNormKernels]:
    return LayerNormKernels if isinstance(layer, LayerNorm) else RMSNormKernels


def _moments(layer: Normalisation) -> tuple[Array | None, Array]:
    """Return mean, where rows are centred, and 1/√(σ² + ε) of every row, (…, n)."""
    mean = rows(layer.mean, layer.lead)[..., 0] if isinstance(layer, LayerNorm) else None
    return mean, rows(layer.inv, layer.lead)[..., 0]


def _parts(
    layer: Normalisation, batch: tuple[Array | None, ...], parameters: tuple[Array | None, ...]
) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """Yield the arrays of the batch, contiguous, and the parameters beside them, which may lie anywhere."""
    whole = stacked(layer.lead, *parameters)
    first = 0
    for some in dense(layer.lead, *batch):
        stop = first + some[0].shape[0]
        yield some, [None if a is None else a[first:stop] for a in whole]
        first = stop


# ------------------------------------------------ what is timed


def layer_norm(device: Device, n: int, F: int) -> Iterator[Workload]:
    """Yield layer normalisation of n rows of F, forward and backward."""
    norm, x, y, dy = LayerNormKernels(device.library), *(device.reals(1, n, F) for _ in range(3))
    gamma, beta, dgamma, dbeta = (device.reals(1, 1, F) for _ in range(4))
    mean, inv, partial = device.reals(1, n), device.reals(1, n), norm.workspace(1, n, F)
    workspace, one_pass, statistics = device.reals(partial), REAL * n * F, REAL * 2 * n
    forward, sums, dx = (Floor(passes * one_pass + statistics) for passes in (2, 2, 3))
    yield Workload(
        "layer_norm forward",
        lambda: norm.forward(x, gamma, beta, y, mean, inv, eps=1e-5),
        forward,
        {"layer_norm": forward},
    )
    yield Workload(
        "layer_norm backward",
        lambda: norm.backward(x, dy, gamma, mean, inv, dgamma, dbeta, y, workspace=workspace),
        Floor(sums.bytes + dx.bytes),
        {"layer_norm_sums": sums, "layer_norm_sums_finish": Floor(REAL * partial), "layer_norm_dx": dx},
    )


WORKLOADS = Workloads(layer_norm, natural=({"n": 1 << 16, "F": 256},), miniature=({"n": 64, "F": 33},))
