"""Steps that the normalising layers share: a mean, 1/√(σ² + ε), scale and shift."""

from __future__ import annotations

from typing import Any

from minisgd.backend import Ops
from minisgd.typing import Array


def mean(ops: Ops, x: Array, *, out: Array) -> None:
    """out (…, 1) = the mean of x (…, F) over its last axis"""
    ops.sum(x, -1, out=out, keepdims=True)
    ops.multiply(out, 1 / x.shape[-1], out=out)


def inverse_std(ops: Ops, var: Array, eps: float, *, out: Array) -> None:
    """out = 1/√(σ² + ε);  out may be σ²"""
    ops.add(var, eps, out=out)
    ops.sqrt(out, out=out)
    ops.divide(1.0, out, out=out)


def scale_and_shift(layer: Any, ops: Ops, xhat: Array, y: Array) -> None:
    """y = γ x̂ + β, or x̂ where nothing is learned; y may be x̂"""
    if layer.affine:
        ops.multiply(xhat, layer.gamma, out=y)
        ops.add(y, layer.beta, out=y)
    elif y is not xhat:
        ops.copy(xhat, out=y)
