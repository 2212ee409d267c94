"""A function of one's own as a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minisgd.backend import Ops
from minisgd.errors import ArgumentError, DtypeError
from minisgd.nn.lending import lend, read_only
from minisgd.nn.losses.loss import Loss, LossDeclaration, TargetKind
from minisgd.typing import Array, HostArray, Shape

STEP = 1e-6
"""h, of differences in float64: their error is about h² and the rounding of ℓ over h, 1e-10 both."""


class FunctionLoss(Loss):
    """A function ℓ(z, target) of NumPy arrays, its gradient by central differences, on the CPU.

    ∂ℓ/∂z_o ≈ (ℓ(z + h e_o) − ℓ(z − h e_o)) / 2h, in float64; 2 O evaluations for every batch, so that a loss that is
    used often is better written as a Loss, with its gradient.

    z (…, B, O) prediction   target (…, B) classes, or like z   result (…, B), a number for every example
    """

    task = "regression"

    target: Array

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def declare(self, z: Shape, kind: TargetKind) -> LossDeclaration:
        return LossDeclaration(z, None) if kind == "values" else LossDeclaration(z[:1], "int64")

    def forward(self, ops: Ops, target: Array) -> None:
        if ops.device != "cpu":
            raise DtypeError(
                "loss", expected="an ms.Loss on a GPU", got=repr(self), fix="subclass ms.Loss, or use device='cpu'"
            )
        lend(self, "target", target)
        shape = self.losses.shape
        ops.run("function", self._evaluate, (self.z, target, shape, self.losses), (self.z, target), self.losses)

    def backward(self, ops: Ops) -> None:
        arguments = (self.z, self.target, self.losses.shape, self.dz)
        ops.run("function", self._differentiate, arguments, (self.z, self.target), self.dz)

    # what is recorded is given all it needs: ``self`` is bound again for the next batch size

    def _evaluate(self, z: HostArray, target: HostArray, shape: Shape, out: HostArray) -> None:
        out[...] = self._values(z.astype(np.float64), target, shape)

    def _differentiate(self, z: HostArray, target: HostArray, shape: Shape, out: HostArray) -> None:
        exact = z.astype(np.float64)
        for o in np.ndindex(*z.shape[len(shape) :]):
            at = (..., *o)
            middle = exact[at].copy()
            exact[at] = middle + STEP
            above = self._values(exact, target, shape)
            exact[at] = middle - STEP
            out[at] = (above - self._values(exact, target, shape)) / (2 * STEP)
            exact[at] = middle

    def _values(self, z: HostArray, target: HostArray, shape: Shape) -> HostArray:
        values = np.asarray(self.function(read_only(z), read_only(target)))
        if values.shape != shape:
            expected = f"a function (z, target) → losses of shape {shape}, one for every example"
            fix = "average over outputs with .mean(axis=-1), and leave the mean over examples to minisgd"
            raise ArgumentError("loss", expected=expected, got=f"shape {values.shape}", fix=fix)
        return values

    def __repr__(self) -> str:
        return f"FunctionLoss({getattr(self.function, '__qualname__', self.function)})"
