"""Losses: a file for each family, and a row in this table."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeAlias

from minisgd.errors import ArgumentError, DtypeError
from minisgd.nn.losses.cross_entropy import BinaryCrossEntropy, SoftmaxCrossEntropy
from minisgd.nn.losses.energy import Energy
from minisgd.nn.losses.function import FunctionLoss
from minisgd.nn.losses.loss import Loss
from minisgd.nn.losses.regression import L1, Huber, MeanSquaredError
from minisgd.nn.losses.token_cross_entropy import TokenCrossEntropy

LossLike: TypeAlias = Loss | str | Callable[..., Any]
"""A loss, its name, or a function (z, target) → losses."""

LOSSES: dict[str, type[Loss]] = {
    "cross-entropy": SoftmaxCrossEntropy,
    "token-cross-entropy": TokenCrossEntropy,
    "binary-cross-entropy": BinaryCrossEntropy,
    "mse": MeanSquaredError,
    "mae": L1,
    "l1": L1,
    "huber": Huber,
    "energy": Energy,
}
"""Every loss by its name."""


def as_loss(value: Any) -> Loss:
    """Return a loss: as it is, by its name, or of a function (z, target) → losses.

    Raises:
        ArgumentError: For a name of no loss.
        DtypeError: For what is none of these.
    """
    if isinstance(value, Loss):
        return value
    if isinstance(value, str):
        name = value.lower().replace("_", "-").replace(" ", "-")
        if name in LOSSES:
            return LOSSES[name]()
        near = get_close_matches(name, LOSSES, n=1)
        fix = f"did you mean {near[0]!r}?" if near else "choose one, or pass ms.Huber(delta=2.0), for example"
        raise ArgumentError("loss", expected=f"one of {', '.join(LOSSES)}", got=repr(value), fix=fix)
    if callable(value) and not isinstance(value, type):
        return FunctionLoss(value)
    fix = f"call it: {value.__name__}()" if isinstance(value, type) else "for example ms.SoftmaxCrossEntropy()"
    raise DtypeError("loss", expected="a loss, its name, or a function (z, target) → losses", got=value, fix=fix)
