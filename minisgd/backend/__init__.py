"""Floor 1: the only place that knows which device it is on."""

from __future__ import annotations

from minisgd.backend.arena import OWNERS, Arena, Owner, Plan, Request
from minisgd.backend.numpy_ops import NumpyOps
from minisgd.backend.ops import Operand, Ops
from minisgd.backend.program import Call, Program
from minisgd.errors import ArgumentError

__all__ = [
    "OWNERS",
    "Arena",
    "Call",
    "NumpyOps",
    "Operand",
    "Ops",
    "Owner",
    "Plan",
    "Program",
    "Request",
    "get_ops",
]

DEVICES = ("cpu", "cuda")


def get_ops(device: str = "cpu") -> Ops:
    """Return a new set of operations on a device: "cpu" or "cuda".

    Errors: ArgumentError for an unknown device; MissingExtraError if CuPy is not installed.
    """
    if device == "cpu":
        return NumpyOps()
    if device == "cuda":
        from minisgd.backend.cupy_ops import CupyOps

        return CupyOps()
    raise ArgumentError("device", expected=" or ".join(map(repr, DEVICES)), got=device, fix="use device='cpu'")
