"""Batch normalisation: three launches forward, three backward, one in evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.batch_norm_kernels import BatchNormKernels, Ghosts
from minisgd.nn.cuda.replicas import stacked
from minisgd.nn.layers.batch_norm import BatchNorm
from minisgd.nn.layers.ghost_batches import ghost_batches
from minisgd.nn.shapes import rows
from minisgd.typing import Array


@tuned("cuda", BatchNorm, "forward")
def forward(self: BatchNorm, ops: CupyVocabulary, x: Array) -> Array:
    """y = γ (x − μ)/√(σ² + ε) + β, and the running averages"""
    ghost_batches(self)  # refuses a batch without variance
    if _workspace(self, ops, 1) is None:
        return BatchNorm.forward(self, ops, x)

    def emit() -> None:
        for r, work in _parts(self, ops):
            batch = stacked(self.lead, rows(x, self.lead), *_affine(self), rows(self.y, self.lead))
            running = self.running_mean, self.running_var, self.running_weight
            kept = stacked(self.lead, *_per_ghost(self, self.mean, self.inv), *running)
            _kernels(self, ops).forward(
                *_some(r, [*batch, *kept]), ghosts=_cut(self), rate=self.averaging_rate, eps=self.eps, workspace=work
            )

    ops.launch("batch_norm", emit, (x,), self.y)
    return self.y


@tuned("cuda", BatchNorm, "backward")
def backward(self: BatchNorm, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dγ = Σ dy x̂    dβ = Σ dy    dx = γ/√(σ²+ε) · (dy − mean(dy) − x̂ mean(dy x̂))"""
    if _workspace(self, ops, 1) is None:
        return BatchNorm.backward(self, ops, dy)
    gamma, _ = _affine(self)
    slopes = (self.dgamma, self.dbeta) if self.affine else (None, None)
    dx = None if self.dx is None else rows(self.dx, self.lead)

    def emit() -> None:
        for r, work in _parts(self, ops):
            batch = stacked(self.lead, rows(self.x, self.lead), rows(dy, self.lead), gamma)
            means = stacked(self.lead, *_per_ghost(self, self.mean, self.inv))
            results = stacked(self.lead, *slopes, dx, *_per_ghost(self, self.sum_dy, self.sum_dy_xhat))
            _kernels(self, ops).backward(*_some(r, [*batch, *means, *results]), ghosts=_cut(self), workspace=work)

    ops.launch("batch_norm_dx", emit, (self.x, dy), dy if self.dx is None else self.dx)
    return self.dx


@tuned("cuda", BatchNorm, "infer")
def infer(self: BatchNorm, ops: CupyVocabulary, x: Array) -> Array:
    """y = γ (x − r_mean)/√(r_var + ε) + β"""
    operands = rows(x, self.lead), *_affine(self), rows(self.y, self.lead), self.running_mean, self.running_var
    arrays = stacked(self.lead, *operands)
    ops.launch("batch_norm", lambda: _kernels(self, ops).infer(*arrays, eps=self.eps), (x,), self.y)
    return self.y


def _kernels(layer: BatchNorm, ops: CupyVocabulary) -> BatchNormKernels:
    kernels: BatchNormKernels = ops.family(BatchNormKernels, layer.y.dtype)
    return kernels


def _affine(layer: BatchNorm) -> tuple[Array | None, Array | None]:
    return (layer.gamma, layer.beta) if layer.affine else (None, None)


def _cut(layer: BatchNorm) -> Ghosts:
    batch, *image, channels = layer.y.shape[len(layer.lead) :]
    return Ghosts.of(batch, image[0] * image[1] if image else 1, layer.ghost)


def _per_ghost(layer: BatchNorm, *statistics: Array) -> list[Array]:
    """Return statistics (…, G, 1, C) of those ghost batches that there are, as (…, G, C)."""
    return [a[..., : _cut(layer).count, 0, :] for a in statistics]


def _workspace(layer: BatchNorm, ops: CupyVocabulary, R: int) -> Array | None:
    n, C = rows(layer.y, layer.lead).shape[-2:]
    return ops.kernels.scratch(layer.y.dtype, _cut(layer).workspace(R, n, C))


def _parts(layer: BatchNorm, ops: CupyVocabulary) -> Iterator[tuple[Any, Array]]:
    """Yield replicas that are launched together, and their workspace: all, where they fit and statistics follow on."""
    (mean,) = stacked(layer.lead, *_per_ghost(layer, layer.mean))
    R, whole = mean.shape[0], _workspace(layer, ops, mean.shape[0])
    if whole is not None and mean.flags.c_contiguous:
        yield slice(None), whole
        return
    one = _workspace(layer, ops, 1)
    assert one is not None
    for r in range(R):
        yield slice(r, r + 1), one


def _some(replicas: slice, arrays: list[Any]) -> list[Any]:
    return [None if a is None else a[replicas] for a in arrays]
