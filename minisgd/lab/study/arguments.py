"""What a caller may ask of a study, checked; and what identifies one, so that it can be continued."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from minisgd.data import Dataset
from minisgd.errors import ArgumentError, DataError
from minisgd.lab.study.result import Target
from minisgd.lab.trial import Trial


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


def fixed_steps(budget: str, n: int) -> Callable[[int], int] | None:
    """Return the steps of a fixed budget as a function of the batch size, or None to run to the target."""
    if budget == "target":
        return None
    kind, _, number = str(budget).partition(":")
    if kind not in ("epochs", "steps") or not number.isdecimal() or int(number) < 1:
        raise ArgumentError("budget", expected="'target', 'epochs:N' or 'steps:N'", got=budget, fix="try 'epochs:10'")
    count = int(number)
    if kind == "steps":
        return lambda b: count
    return lambda b: count * (n // b)


def resolve_seeds(seeds: int, first: int) -> tuple[int, ...]:
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ArgumentError("seeds", expected="how many, a positive integer", got=seeds, fix="5 give an interval")
    return tuple(range(first, first + seeds))


def journal_settings(
    trial: Trial, sizes: list[int], rates: list[float] | None, seeds: tuple[int, ...], goal: Target | None, budget: str
) -> dict[str, Any]:
    """Return what the cells of a journal depend on."""
    return {
        "data": fingerprint(trial.data),
        "model": repr(trial.network),
        "weights": initial_weights(trial),
        "optimizer": trial.optimizer.describe("lr"),
        "loss": repr(trial.loss),
        "dtype": trial.dtype,
        "batch_sizes": sizes,
        "learning_rates": rates,
        "seeds": list(seeds),
        "target": None if goal is None else asdict(goal),
        "budget": budget,
    }


def initial_weights(trial: Trial) -> str:
    """Return a digest of the weights that seed 0 draws: how a model begins is not in how it is written."""
    network = trial.prepare(1, [0]).recipe.network
    return hashlib.sha256(network.ops.to_host(network.vector).tobytes()).hexdigest()[:16]


def fingerprint(data: Dataset) -> str:
    """Return a digest of the data: a changed file must not continue an old study."""
    digest = hashlib.sha256(data.describe().encode())
    for split in data.splits.values():
        rows = np.linspace(0, len(split) - 1, min(len(split), 1000)).astype(int)
        digest.update(np.ascontiguousarray(split.x[rows]).tobytes())
        digest.update(np.ascontiguousarray(split.y).tobytes())
    return f"{data.name} {digest.hexdigest()[:16]}"
