"""Gradient clipping: a gradient longer than a limit is shortened to it, its direction kept."""

from __future__ import annotations

from dataclasses import dataclass

from minisgd.backend import Arena, Ops, Request
from minisgd.optim.checks import positive
from minisgd.optim.vector import norm
from minisgd.typing import Array


@dataclass(frozen=True)
class ClipNorm:
    """Limit the global norm of the gradient of each replica: g ← g · min(1, c / |g|), c = max_norm.

    NaN stays NaN, and a zero gradient stays zero. Pascanu, Mikolov and Bengio 2013, algorithm 1.

    Args:
        max_norm: The largest norm that a gradient keeps.

    Raises:
        ArgumentError: If max_norm is not a positive number.
    """

    max_norm: float

    def __post_init__(self) -> None:
        positive("max_norm", self.max_norm, "1.0 is customary; leave clipping out for none")

    def requests(self, dtype: str) -> list[Request]:
        """Return the one number a replica that clipping needs.

        Args:
            dtype: Of the gradient.
        """
        return [Request("clip.factor", (1,), dtype, "workspaces")]

    def apply(self, ops: Ops, arena: Arena, g: Array) -> None:
        """Emit the clipping of g (…, P), before the optimizer's step and after any accumulation.

        min(1, c / |g|) is computed as c / max(c, |g|): never a division by zero, and exactly 1 below the limit.

        Args:
            ops: The operations of the device.
            arena: Holds the requests.
            g: The gradient, (…, P), overwritten.
        """
        (request,) = self.requests(g.dtype.name)
        c, factor = float(self.max_norm), arena.view(request, g.shape[:-1])
        with ops.scope(layer=type(self).__name__):
            norm(ops, g, out=factor)
            ops.maximum(factor, c, out=factor)
            ops.divide(c, factor, out=factor)
            ops.multiply(g, factor, out=g)
