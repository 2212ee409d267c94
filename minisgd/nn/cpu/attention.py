"""Attention by blocks of examples and queries: scores are never in memory for all pairs of positions at once.

Forward keeps log Σ eˢ of every query, from which backward computes its probabilities again (Dao et al. 2022, section
3.1): O(T) numbers a head where the textbook keeps T². A block has whole rows, so its softmax is the textbook's.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod, sqrt
from typing import Any

from minisgd.backend import NumpyOps
from minisgd.backend.dispatch import tuned
from minisgd.nn.cpu import block_size
from minisgd.nn.declaration import Buffer, Declaration
from minisgd.nn.layers.attention import LEAST, ScaledDotProduct, by_head, causal_mask, queries_keys_values
from minisgd.nn.shapes import transpose
from minisgd.typing import Array, Shape

FEWEST = 16
"""Queries of a block, however long the sequence: fewer make no matrix product."""


def sizes(heads: int, b: int, t: int) -> tuple[int, int]:
    """Return how many examples and how many queries make a block."""
    room = block_size.CACHED.elements // heads
    queries = min(t, max(FEWEST, room // t))
    return min(b, max(1, room // (queries * t))), queries


@tuned("cpu", ScaledDotProduct, "declare")
def declare(self: ScaledDotProduct, x: Shape) -> Declaration:
    y, (b, t, _) = self.declare(x).y, x
    n, queries = sizes(self.heads, b, t)
    scores, rows = (n, self.heads, queries, t), (n, self.heads, queries, 1)
    buffers = {
        "P": Buffer(scores, life="scratch"),
        "dS": Buffer(scores, life="scratch", inference=False),
        "top": Buffer(rows, life="scratch"),
        "total": Buffer(rows, life="scratch"),
        "log_sum": Buffer((b, self.heads, t, 1)),
        "work": Buffer((n, self.heads, t, y[2] // self.heads), life="scratch", inference=False),
    }
    if self.causal:
        buffers["mask"] = Buffer((queries, queries), life="scratch")
    if self.padding:
        buffers["hidden"] = Buffer((b, t), life="network")
    return Declaration(y=y, buffers=buffers, keeps_y=True)


@tuned("cpu", ScaledDotProduct, "forward")
def forward(self: Any, ops: NumpyOps, x: Array) -> Array:
    """m = max S    l = Σ e^(S − m)    y = e^(S − m) v / l    log Σ eˢ = m + ln l"""
    if self.causal:
        causal_mask(ops, self.mask)
    for some in example_blocks(self, ops, x):
        (q, k, v), log_sum = queries_keys_values(x[some], self.heads), self.log_sum[some]
        y = by_head(self.y[some], self.heads)
        for rows, keys in query_blocks(self, x.shape[-2]):
            P = scores(self, ops, q, k, rows, keys, some)
            top, total = (viewed(self, name, (*P.shape[:-1], 1)) for name in ("top", "total"))
            ops.max(P, -1, out=top, keepdims=True)
            if self.padding:
                ops.maximum(top, LEAST, out=top)
            ops.subtract(P, top, out=P)
            ops.exp(P, out=P)
            ops.sum(P, -1, out=total, keepdims=True)
            if self.padding:
                ops.maximum(total, 1.0, out=total)  # Σ ≥ e⁰ where anything is read, else 0
            ops.matmul(P, v[..., keys, :], out=y[..., rows, :])
            ops.divide(y[..., rows, :], total, out=y[..., rows, :])
            ops.log(total, out=total)
            ops.add(top, total, out=log_sum[..., rows, :])
    y_: Array = self.y
    return y_


@tuned("cpu", ScaledDotProduct, "backward")
def backward(self: Any, ops: NumpyOps, dy: Array) -> Array | None:
    """P = e^(S − log Σ eˢ)    dv = Pᵀ dy    dS = P (dy vᵀ − Σ dy y)    dq = dS k / √d    dk = dSᵀ q / √d"""
    if self.dx is None:
        return None
    if self.causal:
        causal_mask(ops, self.mask)
    for some in example_blocks(self, ops, dy):
        (q, k, v), (dq, dk, dv) = (queries_keys_values(a[some], self.heads) for a in (self.x, self.dx))
        y, slope, log_sum = by_head(self.y[some], self.heads), by_head(dy[some], self.heads), self.log_sum[some]
        for rows, keys in reversed(query_blocks(self, dy.shape[-2])):  # the last block has all keys
            P = scores(self, ops, q, k, rows, keys, some)
            total = viewed(self, "total", (*P.shape[:-1], 1))
            ops.subtract(P, log_sum[..., rows, :], out=P)
            ops.exp(P, out=P)
            work = viewed(self, "work", slope[..., rows, :].shape)
            ops.multiply(slope[..., rows, :], y[..., rows, :], out=work)
            ops.sum(work, -1, out=total, keepdims=True)
            dS = viewed(self, "dS", P.shape)
            ops.matmul(slope[..., rows, :], transpose(v[..., keys, :]), out=dS)
            ops.subtract(dS, total, out=dS)
            ops.multiply(dS, P, out=dS)
            ops.multiply(dS, 1 / sqrt(q.shape[-1]), out=dS)
            ops.matmul(dS, k[..., keys, :], out=dq[..., rows, :])
            for weights, vectors, into in ((P, slope, dv), (dS, q, dk)):
                if rows.stop == dy.shape[-2]:
                    ops.matmul(transpose(weights), vectors[..., rows, :], out=into)
                else:
                    work = viewed(self, "work", into[..., keys, :].shape)
                    ops.matmul(transpose(weights), vectors[..., rows, :], out=work)
                    ops.add(into[..., keys, :], work, out=into[..., keys, :])
    dx: Array = self.dx
    return dx


def scores(layer: Any, ops: NumpyOps, q: Array, k: Array, rows: slice, keys: slice, some: Any) -> Array:
    """Return S = q kᵀ / √d of the queries of a block and the keys that they see, (…, n, H, queries, keys)."""
    S = viewed(layer, "P", (*q.shape[:-2], rows.stop - rows.start, keys.stop))
    ops.matmul(q[..., rows, :], transpose(k[..., keys, :]), out=S)
    ops.multiply(S, 1 / sqrt(q.shape[-1]), out=S)
    if layer.causal:
        n = S.shape[-2]
        ops.add(S[..., -n:], layer.mask[..., None, None, :n, :n], out=S[..., -n:])
    if layer.padding:
        ops.add(S, layer.hidden[some][..., None, None, keys], out=S)
    return S


def example_blocks(layer: Any, ops: NumpyOps, x: Array) -> Iterator[Any]:
    """Yield indices of some of the examples.  x (…, B, T, D)"""
    b, t, _ = x.shape[len(layer.lead) :]
    for some in ops.blocks(b, sizes(layer.heads, b, t)[0]):
        yield (*(slice(None),) * len(layer.lead), some)


def query_blocks(layer: Any, t: int) -> list[tuple[slice, slice]]:
    """Return slices of queries, each with the keys that these see."""
    step = layer.top.shape[-2]
    rows = [slice(start, min(start + step, t)) for start in range(0, t, step)]
    return [(some, slice(0, some.stop if layer.causal else t)) for some in rows]


def viewed(layer: Any, name: str, shape: Shape) -> Array:
    """Return the first numbers of a work array under a shape, replicas apart.  shape (…, n, …)"""
    lead = layer.lead
    flat = getattr(layer, name).reshape(*lead, -1)
    view: Array = flat[..., : prod(shape[len(lead) :])].reshape(shape)
    return view
