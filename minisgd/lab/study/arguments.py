"""What a caller may ask of a study, checked; and what identifies one, so that it can be continued."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from minisgd.data import Dataset
from minisgd.errors import ArgumentError, DataError
from minisgd.lab.study.identity import fingerprint, initial_weights, network_settings, settings_of
from minisgd.lab.study.result import Target
from minisgd.lab.trial import Trial
from minisgd.version import __version__


def given_target(data: Dataset, accuracy: float | None, loss: float | None) -> Target | None:
    """Return the target that was asked for, or None."""
    if accuracy is not None and loss is not None:
        raise ArgumentError(
            "target_loss", expected="None with target_accuracy", got=loss, fix="give one of the two targets"
        )
    for name, value, high in (("target_accuracy", accuracy, 1.0), ("target_loss", loss, math.inf)):
        if value is not None and not (isinstance(value, int | float) and 0 < value <= high and math.isfinite(value)):
            raise ArgumentError(
                name, expected=f"a number in (0, {high:g}]", got=value, fix="0.95 for 95%" if high == 1 else "try 0.1"
            )
    if accuracy is not None:
        if data.task != "classification":
            raise DataError(
                "target_accuracy", expected="asked of labelled data", got="regression", fix="use target_loss"
            )
        return Target("val_accuracy", float(accuracy))
    return None if loss is None else Target("val_loss", float(loss))


def fixed_steps(train_for: str, n: int) -> Callable[[int], int] | None:
    """Return the steps of a fixed budget as a function of the batch size, or None to run to the target."""
    if train_for == "target":
        return None
    kind, _, number = str(train_for).partition(":")
    if kind not in ("epochs", "steps") or not number.isdecimal() or int(number) < 1:
        raise ArgumentError(
            "train_for", expected="'target', 'epochs:N' or 'steps:N'", got=train_for, fix="try 'epochs:10'"
        )
    count = int(number)
    if kind == "steps":
        return lambda b: count
    return lambda b: count * (n // b)


def resolve_seeds(seeds: int, first: int) -> tuple[int, ...]:
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ArgumentError("seeds", expected="how many, a positive integer", got=seeds, fix="5 give an interval")
    return tuple(range(first, first + seeds))


def journal_settings(
    trial: Trial,
    sizes: list[int],
    rates: list[float] | None,
    seeds: tuple[int, ...],
    goal: Target | None,
    train_for: str,
) -> dict[str, Any]:
    """Return what the cells of a journal depend on."""
    return {
        "data": fingerprint(trial.data),
        "model": repr(trial.network),
        "layers": network_settings(trial),
        "weights": initial_weights(trial),
        "optimizer": f"{trial.optimizer.describe('lr')} {settings_of(trial.with_lr(1.0).optimizer)}",
        "loss": f"{trial.loss!r} {settings_of(trial.loss)}",
        "dtype": trial.dtype,
        "device": trial.device,
        "version": __version__,
        "batch_sizes": sizes,
        "learning_rates": rates,
        "seeds": list(seeds),
        "target": None if goal is None else asdict(goal),
        "train_for": train_for,
    }
