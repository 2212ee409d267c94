"""What a caller may ask of a study, checked; and what identifies one, so that it can be continued."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from minisgd.checks import as_seed, is_integer, is_number, is_word
from minisgd.data import Dataset
from minisgd.errors import ArgumentError, DataError
from minisgd.lab.study.constant import loss_of_mean
from minisgd.lab.study.identity import fingerprint, initial_weights, network_settings
from minisgd.lab.study.target import Target
from minisgd.lab.trial import Trial
from minisgd.training.digest import settings_of
from minisgd.version import __version__


def given_target(data: Dataset, targets: Mapping[str, float | None]) -> Target | None:
    """Return the target that was asked for, or None.

    targets: by "accuracy", "balanced_accuracy", "r2" and "loss", of which one at most is given

    Raises:
        ArgumentError: Two are given, or one is out of range.
        DataError: The task of the data has no such metric.
    """
    given = {kind: value for kind, value in targets.items() if value is not None}
    if not given:
        return None
    (kind, value), *more = given.items()
    if more:
        other, got = more[0]
        raise ArgumentError(
            f"target_{other}", expected=f"None with target_{kind}", got=got, fix="give one of the targets"
        )
    high = math.inf if kind == "loss" else 1.0
    if not (is_number(value) and 0 < value <= high and math.isfinite(value)):
        fix = "try 0.1" if kind == "loss" else "0.95 for 95%" if kind != "r2" else "0 is always answering the mean"
        raise ArgumentError(f"target_{kind}", expected=f"a number in (0, {high:g}]", got=value, fix=fix)
    if kind == "r2" and data.task != "regression":
        raise DataError("target_r2", expected="used with regression", got=data.task, fix="use target_accuracy=0.9")
    if kind == "balanced_accuracy" and data.task != "classification":
        raise DataError(
            "target_balanced_accuracy", expected="used with classification", got=data.task, fix="use target_loss"
        )
    if kind == "accuracy" and data.task == "regression":
        raise DataError("target_accuracy", expected="used with labelled data", got=data.task, fix="use target_r2=0.8")
    return Target(f"val_{kind}", float(value), loss_of_mean(data) if kind == "r2" else None)


def fixed_steps(train_for: str, n: int) -> Callable[[int], int] | None:
    """Return the steps of a fixed budget as a function of the batch size, or None to run to the target."""
    if is_word(train_for, ("target",)):
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
    if not is_integer(seeds) or seeds < 1:
        raise ArgumentError(
            "seeds", expected="the number of seeds, a positive integer", got=seeds, fix="use 5 to get an interval"
        )
    return tuple(range(as_seed(first), first + seeds))


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
