"""Floor 1: the only place that knows which device it is on."""

from __future__ import annotations

from typing import Literal, TypeAlias

from minisgd.backend.arena import OWNERS, Arena, Owner, Plan, Request
from minisgd.backend.cpu.numpy_ops import NumpyOps
from minisgd.backend.ops import Operand, Ops
from minisgd.backend.program import Call, Program
from minisgd.checks import is_word
from minisgd.errors import ArgumentError, MinisgdError, MissingExtraError

__all__ = [
    "OWNERS",
    "Arena",
    "Call",
    "NumpyOps",
    "Operand",
    "Ops",
    "Owner",
    "Plan",
    "Precision",
    "Program",
    "Request",
    "get_ops",
    "why_no_cuda",
]

DEVICES = ("cpu", "cuda", "auto")

Precision: TypeAlias = Literal["full", "tf32"]
"""Of matrix products of float32: "tf32" lets a GPU round their factors to 10 bits of mantissa."""


def get_ops(device: str = "cpu", precision: Precision = "full") -> Ops:
    """Return a new set of operations on a device: "cpu", "cuda", or "auto", which is "cuda" where that works.

    Args:
        device: Where arrays live and operations run.
        precision: Of matrix products of float32, see `Precision`.

    Raises:
        ArgumentError: For an unknown device or precision, or "tf32" on the CPU.
        MissingExtraError: If CUDA cannot be used; the message holds the reason and its cure.
    """
    if not is_word(device, DEVICES):
        fix = "use device='auto', which is 'cuda' where that works"
        raise ArgumentError("device", expected="'cpu', 'cuda' or 'auto'", got=repr(device), fix=fix)
    if not is_word(precision, ("full", "tf32")):
        raise ArgumentError("precision", expected="'full' or 'tf32'", got=precision, fix="leave it out")
    if device == "cuda" or (device == "auto" and why_no_cuda() is None):
        from minisgd.backend.cuda.cupy_ops import CupyOps

        return CupyOps(precision)
    if precision == "tf32":
        raise ArgumentError(
            "precision", expected="'full' on the CPU, which has no TF32", got=precision, fix="use device='cuda'"
        )
    return NumpyOps()


def why_no_cuda() -> MinisgdError | None:
    """Return the error that the device "cuda" gives here, or None if it works."""
    from minisgd.backend.cuda.cupy_ops import import_cupy

    try:
        import_cupy()
    except MissingExtraError as error:
        return error
    return None
