"""The trust ratio of LARS and LAMB: how far one tensor may move, in proportion to its size."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.nn.layout import Segment
from minisgd.optim.optimizer import UpdateBuffers
from minisgd.optim.vector import norm

TRUST_RATES = ("rate", "trust", "w_norm", "g_norm", "is_zero")


def set_rate(ops: Ops, b: UpdateBuffers, segment: Segment, eta: float = 1.0, beta: float = 0.0) -> None:
    """rate ← lr · trust ratio of the tensor that b holds; rate ← lr of biases and normalisation scales"""
    if segment.kind == "weight":
        trust_ratio(ops, b, eta, beta)
        ops.multiply(b.lr, b.rates["trust"], out=b.rates["rate"])
    else:
        ops.copy(b.lr, out=b.rates["rate"])


def trust_ratio(ops: Ops, b: UpdateBuffers, eta: float, beta: float) -> None:
    """trust ← η |w| / (|g| + β |w|) for the tensor that b holds, and 1 where |w| or |g| is 0.

    A tensor that starts at zero could otherwise never leave it. NaN stays NaN.
    """
    trust, w, g, zero = (b.rates[name] for name in TRUST_RATES[1:])
    norm(ops, b.w, out=w)
    norm(ops, b.g, out=g)
    ops.equal(w, 0.0, out=zero)
    ops.equal(g, 0.0, out=trust)
    ops.maximum(zero, trust, out=zero)
    # where a norm is zero, 1 is added below and to the finished ratio, which is made 0 first: no 0/0, no branch
    ops.multiply(w, beta, out=trust)
    ops.add(g, trust, out=g)
    ops.add(g, zero, out=g)
    ops.multiply(w, eta, out=w)
    ops.divide(w, g, out=trust)
    ops.subtract(1.0, zero, out=g)
    ops.multiply(trust, g, out=trust)
    ops.add(trust, zero, out=trust)
