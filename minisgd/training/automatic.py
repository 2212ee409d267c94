"""``batch_size="auto"``: the batch size, and with it the learning rate, by a study of a few seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, TypeGuard

from minisgd.data import Dataset
from minisgd.errors import ArgumentError
from minisgd.nn import Loss, Network
from minisgd.optim import Optimizer, as_optimizer
from minisgd.training.intake import default_batch_size, default_optimizer

BUDGET = "20s"
"""What the study may take by default; "auto:1min" is a minute."""

SEEDS = 2
"""Training runs at every batch size and learning rate: enough to choose by, not to say how sure it is."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why, in a sentence."""

    batch_size: int
    optimizer: Optimizer
    why: str

    def __str__(self) -> str:
        call = f"ms.train(…, batch_size={self.batch_size}, optimizer=ms.{self.optimizer.describe()})"
        return f"{self.why}\nThe same without batch_size='auto': {call}"


def is_auto(batch_size: object) -> TypeGuard[str]:
    """Tell whether a batch size is to be chosen: "auto", or "auto:BUDGET"."""
    return isinstance(batch_size, str) and batch_size.partition(":")[0] == "auto"


def chosen(
    batch_size: str,
    network: Network,
    data: Dataset,
    optimizer: Optimizer | str | None,
    loss: Loss | None,
    *,
    keep_rate: bool,
    **settings: Any,
) -> Choice:
    """Study batch sizes within the budget, and return the one that reaches a target within reach soonest.

    Where nothing can be learned or compared, the batch size is the default.

    keep_rate: whether the optimizer's learning rate stays, instead of being tuned for every batch size
    settings: keyword arguments of ``ms.study``

    Raises:
        ArgumentError: For a schedule of the learning rate, or a budget that is too short or no time.
    """
    optimizer = as_optimizer(default_optimizer(data, network) if optimizer is None else optimizer)
    if callable(optimizer.lr):
        fix = "pass lr as a number, the name of an optimizer, or a batch size"
        raise ArgumentError(
            "optimizer", expected="without a schedule where batch_size is 'auto'", got=optimizer, fix=fix
        )
    # the study stands on this floor, so it is looked up when it is asked for, not imported
    study = import_module("minisgd.lab.study").study
    settings |= {"learning_rates": [optimizer.lr] if keep_rate else None, "seeds": SEEDS}
    settings |= {"budget": batch_size.partition(":")[2] or BUDGET}
    try:
        found = study(network, data, optimizer=optimizer, loss=loss, **settings).recommendation
    except ArgumentError as error:
        if error.argument != "budget":
            raise
        expected, fix = f"'auto', or 'auto:' with {error.expected}", "write 'auto:5min'"
        raise ArgumentError("batch_size", expected=expected, got=batch_size, fix=fix) from None
    if found.batch_size is None:
        why = f"{found.why} So the default stays; more time may tell: 'auto:5min'."
        return Choice(default_batch_size(len(data), network.couples_batch), optimizer, why)
    return Choice(found.batch_size, replace(optimizer, lr=found.lr), found.why)
