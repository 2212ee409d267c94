"""What ``ms.train`` is given: data of several forms, and what it leaves to choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil, isfinite
from numbers import Integral, Real
from typing import Any, Literal, TypeAlias

import numpy as np

from minisgd.checks import is_word, shown
from minisgd.data import Dataset, load
from minisgd.data.holdout import divided
from minisgd.data.stream import is_batches, opened
from minisgd.data.tables.cells import as_typed
from minisgd.data.tables.frames import is_frame
from minisgd.data.target import Task
from minisgd.errors import ArgumentError, DataError, DtypeError
from minisgd.nn import Conv2d, Linear, Loss, Network, SoftmaxCrossEntropy
from minisgd.nn.losses.regression import RegressionLoss
from minisgd.optim import SGD, Adam, Optimizer
from minisgd.typing import HostArray

ClassWeight: TypeAlias = Literal["balanced"] | Mapping[Any, float]

BATCH_SIZE = 32
"""Examples of a batch by default."""
EPOCHS = 10.0
"""Passes over the data by default; more over small tables."""
FEWEST_UPDATES, MOST_UPDATES = 400, 3500
"""A table of N rows gets N updates, held to these bounds."""
MOST_EPOCHS = 200.0
"""With more passes, regression on a few dozen rows overfits."""


def as_dataset(data: Any, validation: Any, seed: int, *, task: Task | None = None, loss: Loss | None = None) -> Dataset:
    """Return a Dataset from a Dataset, a data frame, (x, y) or batches, with a validation split if one is asked for."""
    if isinstance(data, Dataset):
        if not is_word(task, (data.task, None)):
            raise ArgumentError(
                "task",
                expected=f"{data.task!r}, as the data set has it",
                got=repr(task),
                fix="pass it to ms.load or Dataset.from_arrays, or pass (x, y)",
            )
        return data if validation is None else _held_out(data, validation, seed)
    if isinstance(data, tuple) and len(data) == 2:
        if task is None and isinstance(loss, Loss) and not isinstance(loss, SoftmaxCrossEntropy):
            task = _task_of(loss, data[1])
        return Dataset.from_arrays(*data, validation=validation, seed=seed, task=task, standardize_target=True)
    if is_frame(data):
        return load(data, validation=validation, seed=seed, task=task)
    if is_batches(data):
        rows, more = opened(data)
        if more:
            fix = "pass arrays or a memory-mapped file: only ms.train reads streams"
            raise DataError("data", expected=f"a stream of at most {len(rows[0]):,} examples", got="more", fix=fix)
        return as_dataset(rows, validation, seed, task=task, loss=loss)
    raise DtypeError(
        "data",
        expected="a Dataset, a data frame, a pair (x, y), or batches of a function or an ms.Stream",
        got=type(data).__name__,
        fix="write (x, y)" if isinstance(data, list) else "try ms.datasets.digits(), or ms.load('table.csv')",
    )


def _task_of(loss: Loss, y: Any) -> Task | None:
    """Return the task that a loss of values implies for float targets; None leaves it to the targets."""
    if np.asarray(y).dtype.kind != "f":
        return None
    return "regression" if isinstance(loss, RegressionLoss) else "multilabel" if loss.task == "classification" else None


def _held_out(data: Dataset, validation: Any, seed: int) -> Dataset:
    """Hold a part of the training split out."""
    if data.validation is not None:
        raise ArgumentError(
            "validation", expected="None where the data set has a validation split", got=validation, fix="omit it"
        )
    if not isinstance(validation, Real):
        return data.with_validation(validation)
    train, held = divided(data.train, float(validation), data.classes, seed)
    return replace(data, train=train, validation=held)


def weighted(data: Dataset, class_weight: ClassWeight | None) -> Dataset:
    """Return a data set whose training examples weigh what their class does; evaluation stays as it is.

    "balanced": w_c = N / (C N_c), so that all classes weigh the same in all; or a weight by class name.
    """
    if class_weight is None:
        return data
    if data.task != "classification" or data.train.y.ndim > 1:
        raise ArgumentError(
            "class_weight", expected="None without classes", got=class_weight, fix="leave it out, or weight the rows"
        )
    assert data.classes is not None
    counts = np.bincount(data.train.y, minlength=data.n_classes)
    if isinstance(class_weight, str) and class_weight == "balanced":
        each: HostArray = len(data) / (np.maximum(counts, 1) * (counts > 0).sum())
    elif isinstance(class_weight, Mapping):
        given = {
            as_typed(float(name)) if isinstance(name, float | np.floating) else str(name): weight
            for name, weight in class_weight.items()
        }
        unknown = next((name for name in given if name not in data.classes), None)
        if unknown is not None:
            raise ArgumentError(
                "class_weight",
                expected=f"names among the classes {', '.join(data.classes[:10])}",
                got=repr(unknown),
                fix="write {'class': weight}",
            )
        each = np.array([given.get(name, 1.0) for name in data.classes], dtype=np.float64)
        if not (np.isfinite(each).all() and (each >= 0).all() and each[counts > 0].any()):
            raise ArgumentError(
                "class_weight", expected="finite weights ≥ 0, not all 0", got=class_weight, fix="use 1.0 for a class"
            )
    else:
        raise ArgumentError(
            "class_weight", expected="'balanced' or a weight by class name", got=class_weight, fix="use 'balanced'"
        )
    own = 1.0 if data.train.weight is None else data.train.weight
    return replace(data, train=replace(data.train, weight=own * each[data.train.y]))


def default_batch_size(n: int, couples_batch: bool = False) -> int:
    """Return the default batch size for N examples: 32 or N, such that no single example is left over for BatchNorm."""
    size = min(BATCH_SIZE, n)
    while couples_batch and size > 2 and n % size == 1:
        size -= 1
    return size


def default_epochs(data: Dataset, batch_size: int) -> float:
    """Return the default number of epochs: 10; over a table of N rows, as many as make about N updates."""
    if data.encoding is None:
        return EPOCHS
    updates = min(max(len(data), FEWEST_UPDATES), MOST_UPDATES)
    epochs = max(EPOCHS, ceil(updates * batch_size / len(data)))
    return float(min(epochs, MOST_EPOCHS) if data.task == "regression" else epochs)


def default_optimizer(data: Dataset, network: Network) -> Optimizer:
    """Return the default optimizer: SGD for classes, and Adam for values, whose errors may be of any size.

    One dense layer alone is a convex problem, on which Adam may take larger steps.
    """
    if data.task == "regression":
        convex = sum(isinstance(layer, Linear | Conv2d) for layer in network.walk()) < 2
        return Adam(lr=0.03 if convex else 0.001)
    return SGD(lr=0.1 if data.encoding is None else 0.05)


def check_duration(epochs: float | None, steps: int | None, evaluate_every: float) -> None:
    """Refuse durations that are not positive."""
    durations = (("epochs", epochs, Real), ("steps", steps, Integral), ("evaluate_every", evaluate_every, Real))
    for name, value, kind in durations:
        if value is None and name != "evaluate_every":
            continue
        if isinstance(value, bool) or not isinstance(value, kind) or not isfinite(value) or value <= 0:
            expected = "a positive whole number" if kind is Integral else "a positive number"
            raise ArgumentError(name, expected=expected, got=shown(value), fix="use 10, for example")
