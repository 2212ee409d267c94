"""The phrases that optimizer formulas are written in, on vectors (…, P)."""

from __future__ import annotations

from minisgd.backend import Operand, Ops
from minisgd.typing import Array


def add_scaled(ops: Ops, y: Array, a: Operand, x: Array, *, scratch: Array) -> None:
    """y ← y + a x"""
    ops.multiply(x, a, out=scratch)
    ops.add(y, scratch, out=y)


def subtract_scaled(ops: Ops, y: Array, a: Operand, x: Array, *, scratch: Array) -> None:
    """y ← y − a x"""
    ops.multiply(x, a, out=scratch)
    ops.subtract(y, scratch, out=y)


def average_in(ops: Ops, m: Array, beta: float, x: Array, *, scratch: Array) -> None:
    """m ← β m + (1 − β) x;  x may be the scratch itself"""
    ops.multiply(m, beta, out=m)
    add_scaled(ops, m, 1 - beta, x, scratch=scratch)


def shrink_factor(ops: Ops, lr: Array, weight_decay: float, *, out: Array) -> None:
    """out = 1 − lr λ, by which decoupled weight decay multiplies w.  lr, out (…, 1)"""
    ops.multiply(lr, weight_decay, out=out)
    ops.subtract(1.0, out, out=out)


def norm(ops: Ops, x: Array, *, out: Array) -> None:
    """Euclidean norm.  x (…, P)   out (…, 1) = |x|"""
    ops.dot(x, x, out=out[..., 0])
    ops.sqrt(out, out=out)


def divide_by_root(ops: Ops, x: Array, s: Array, eps: Operand, *, scratch: Array, out: Array) -> None:
    """out = x / (√s + ε);  out may be x or the scratch"""
    ops.sqrt(s, out=scratch)
    ops.add(scratch, eps, out=scratch)
    ops.divide(x, scratch, out=out)
