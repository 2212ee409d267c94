"""What parts of one's own must write by operations: NumPy computes once, while a step is recorded, and never again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from minisgd.backend import Program
from minisgd.errors import ArgumentError
from minisgd.nn import Loss, Network
from minisgd.optim import Optimizer
from minisgd.typing import Array, Shape


def require_gradient(network: Network, loss: Loss, x: Shape, program: Program) -> None:
    """Refuse a layer or a loss of one's own that leaves an array unwritten that others read.  x (B, …)

    Raises:
        ArgumentError: Names the part, the array and the method.
    """
    for leaf in network.leaves(x, ""):
        layer = leaf.layer
        if not _is_own(layer) or leaf.declaration.reshapes:
            continue
        written = ["y", *(f"d{name}" for name in leaf.declaration.parameters)]
        if getattr(layer, "dx", None) is not None:  # below the first layer that learns there is none
            written.append("dx")
        for name in written:
            method = "forward" if name == "y" else "backward"
            _require(layer.label, method, name, getattr(layer, name), program, {method}, layer.label)
    if _is_own(loss):
        label = type(loss).__name__
        for method, name in (("forward", "losses"), ("backward", "dz")):
            _require(label, method, name, getattr(loss, name), program, {"loss", "backward"}, label, anew=True)


def require_update(optimizer: Optimizer, vector: Array, program: Program) -> None:
    """Refuse an optimizer of one's own that does not write the parameters.

    Raises:
        ArgumentError: Names the optimizer.
    """
    if _is_own(optimizer):
        _require(type(optimizer).__name__, "update", "b.w", vector, program, {"update"})


def _is_own(part: object) -> bool:
    return type(part).__module__.partition(".")[0] != "minisgd"


def _require(
    part: str,
    method: str,
    name: str,
    array: Any,
    program: Program,
    phases: Collection[str],
    layer: str = "",
    *,
    anew: bool = False,
) -> None:
    """Refuse a program in which no call of a part writes an array; ``anew``: one that does not read it as well."""
    for call in program:
        if call.phase in phases and layer in ("", call.layer) and np.may_share_memory(call.out, array):
            if not anew or not any(np.may_share_memory(each, array) for each in call.reads):
                return
    raise ArgumentError(
        f"{part}: {method}",
        expected=f"a method that writes {name} by operations, such as ops.maximum(x, 0.0, out={_example(name)})",
        got="one that does not",
        fix="compute with ops: what NumPy computes is computed once, while the step is recorded",
    )


def _example(name: str) -> str:
    return name if name == "b.w" else f"self.{name}"
