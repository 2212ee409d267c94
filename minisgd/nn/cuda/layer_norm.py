"""Layer normalisation: one launch forward, three backward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.kernels.layer_norm import LayerNorm as Kernels
from minisgd.nn.cuda.replicas import dense, stacked
from minisgd.nn.layers.layer_norm import LayerNorm
from minisgd.nn.shapes import rows
from minisgd.typing import Array


@tuned("cuda", LayerNorm, "forward")
def forward(self: LayerNorm, ops: CupyVocabulary, x: Array) -> Array:
    """y = γ (x − μ)/√(σ² + ε) + β"""
    batch = rows(x, self.lead), rows(self.y, self.lead), *_moments(self)

    def emit() -> None:
        for (x_, y, mean, inv), (gamma, beta) in _parts(self, batch, (self.gamma, self.beta)):
            ops.family(Kernels, x.dtype).forward(x_, gamma, beta, y, mean, inv, eps=self.eps)

    ops.launch("layer_norm", emit, (x,), self.y)
    return self.y


@tuned("cuda", LayerNorm, "backward")
def backward(self: LayerNorm, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dγ = Σ dy x̂    dβ = Σ dy    with g = γ dy:  dx = (g − mean(g) − x̂ mean(g x̂)) / √(σ²+ε)"""
    dx = None if self.dx is None else rows(self.dx, self.lead)
    batch = rows(self.x, self.lead), rows(dy, self.lead), *_moments(self), dx

    def emit() -> None:
        kernels = ops.family(Kernels, dy.dtype)
        for (x, slope, mean, inv, out), (gamma, dgamma, dbeta) in _parts(
            self, batch, (self.gamma, self.dgamma, self.dbeta)
        ):
            work = ops.kernels.scratch(dy.dtype, kernels.workspace(*x.shape))
            kernels.backward(x, slope, gamma, mean, inv, dgamma, dbeta, out, workspace=work)

    ops.launch("layer_norm_dx", emit, (self.x, dy), dy if self.dx is None else self.dx)
    return self.dx


def _moments(layer: LayerNorm) -> tuple[Array, Array]:
    """Return mean and 1/√(σ² + ε) of every row, (…, n)."""
    return rows(layer.mean, layer.lead)[..., 0], rows(layer.inv, layer.lead)[..., 0]


def _parts(
    layer: LayerNorm, batch: tuple[Array | None, ...], parameters: tuple[Array, ...]
) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """Yield the arrays of the batch, contiguous, and the parameters beside them, which may lie anywhere."""
    whole = stacked(layer.lead, *parameters)
    first = 0
    for some in dense(layer.lead, *batch):
        stop = first + some[0].shape[0]
        yield some, [a[first:stop] for a in whole]
        first = stop
