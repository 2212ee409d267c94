"""What is to be learned: classes or numbers, guessed aloud from name, kind and distinct values, or as the user says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from minisgd.checks import is_word
from minisgd.errors import ArgumentError, DataError
from minisgd.typing import HostArray

Task: TypeAlias = Literal["classification", "regression", "multilabel"]

LabelKind: TypeAlias = Literal["text", "integer", "number", "boolean"]

MOST_CLASSES = 20
"""Whole numbers with more distinct values are quantities, unless the column is called class or label."""
FEWEST_EACH = 5
"""Classes have so many examples each on average; quantities need not."""

_CLASSES = re.compile(r"(.*_)?(class|classes|label|labels|species|type|kind|category|group|digit)")
_AMOUNTS = re.compile(
    r"(.*[_ .])?(rating|score|quality|count|number|num|n|age|year|years|price|amount|size|rate|visits|grade|total|"
    r"sales|income|value|time|days|hours|children|mpg|points)([_ .].*)?"
)


@dataclass(frozen=True)
class Guess:
    """The task, and why."""

    task: Task
    reason: str


@dataclass(frozen=True, eq=False)
class Target:
    """What a data set teaches: the task, why it was taken for that, and how the targets were changed.

    names: of the target columns, where they have any   labels: what class names were before they were text
    scale: how regression targets were standardized, None where they are as they came
    """

    task: Task
    reason: str
    names: tuple[str, ...] = ()
    labels: LabelKind = "text"
    scale: TargetScale | None = None


def require_task(task: str | None) -> None:
    """Refuse a word that names no task."""
    if not is_word(task, (*get_args(Task), None)):
        raise ArgumentError(
            "task", expected=", ".join(map(repr, get_args(Task))) + " or None", got=task, fix="leave it out to guess"
        )


def guess_task(values: HostArray, name: str = "") -> Guess:
    """Guess the task from the target (N,) or (N, O), and from what it is called.

    text, true and false     classification
    one 1 in every row       classification, one-hot
    0 and 1 in every column  multilabel
    fractions                regression
    two whole numbers        classification
    whole numbers            by the name; else classification if they are few, consecutive, and each occurs often
    """
    if not values.size:
        return Guess("regression", "no values")
    if values.dtype.kind not in "iuf":
        return Guess("classification", "text" if values.dtype.kind != "b" else "true or false")
    if values.ndim == 2 and values.shape[1] > 1:
        return _guess_columns(values)
    distinct = np.unique(values)
    called = name.strip().lower()
    if (distinct != np.round(distinct)).any():
        return Guess("regression", "numbers with fractions")
    if len(distinct) == 2:
        return Guess("classification", f"two distinct values, {distinct[0]:g} and {distinct[1]:g}")
    few = len(distinct) <= MOST_CLASSES and len(values) >= FEWEST_EACH * len(distinct)
    said = f"{len(distinct)} distinct whole numbers"
    if _CLASSES.fullmatch(called) and len(values) >= 2 * len(distinct):
        return Guess("classification", f"called {name!r}, {said}")
    if _AMOUNTS.fullmatch(called):
        return Guess("regression", f"called {name!r}, {said}")
    counts = np.unique(values, return_counts=True)[1]
    consecutive = distinct[0] in (0, 1) and distinct[-1] - distinct[0] == len(distinct) - 1
    if few and consecutive and counts.min() >= FEWEST_EACH:
        return Guess(
            "classification", f"{said} from {distinct[0]:g} to {distinct[-1]:g}, each at least {counts.min()} times"
        )
    return Guess("regression", said)


def guess_array(y: HostArray) -> Guess:
    """Guess the task from a target array, whose dtype says more than a column of a file.

    floats   regression, unless all are 0 or 1
    integers classification, unless they are many and do not count up from 0 or 1
    """
    if not y.size:
        return Guess("regression" if y.dtype.kind == "f" else "classification", "no values")
    if y.dtype.kind not in "iuf" or (y.ndim == 2 and y.shape[1] > 1):
        return guess_task(y)
    distinct = np.unique(y)
    if y.dtype.kind == "f":
        binary = y.ndim == 1 and np.array_equal(distinct, [0, 1])
        return Guess("classification", "only 0 and 1") if binary else Guess("regression", "floats")
    counting = distinct[0] in (0, 1) and distinct[-1] - distinct[0] == len(distinct) - 1
    if counting or len(distinct) <= MOST_CLASSES:
        return Guess("classification", f"{len(distinct)} distinct integers")
    return Guess("regression", f"{len(distinct)} distinct integers that do not count up from 0 or 1")


def label_kind(y: HostArray) -> LabelKind:
    """Return what labels are before their names become text."""
    kinds: dict[str, LabelKind] = {"i": "integer", "u": "integer", "f": "number", "b": "boolean"}
    return kinds.get(y.dtype.kind, "text")


def named(classes: tuple[str, ...], kind: LabelKind) -> HostArray:
    """Return the labels of all classes as they were, (C,)."""
    if kind == "boolean":
        return np.array([name in ("True", "1") for name in classes])
    if kind == "integer":
        return np.array([int(name) for name in classes])
    return np.array(classes, dtype=np.float64 if kind == "number" else np.str_)


def _guess_columns(values: HostArray) -> Guess:
    binary = bool(((values == 0) | (values == 1)).all())
    if binary and (values.sum(axis=1) == 1).all():
        return Guess("classification", "one 1 in every row")
    both = values.any(axis=0) & (values == 0).any(axis=0)
    # of integers, a label that no example has, or all have, is one all the same
    if binary and (both.all() or (both.any() and values.dtype.kind != "f")):
        return Guess("multilabel", "0 or 1 in every column")
    return Guess("regression", f"{values.shape[1]} columns of numbers")


@dataclass(frozen=True, eq=False)
class TargetScale:
    """Regression targets with mean 0 and standard deviation 1: t = (y − mean) / std.  mean, std (O,) float64"""

    mean: HostArray
    std: HostArray

    @classmethod
    def of(cls, y: HostArray) -> TargetScale:
        """Measure training targets (N,) or (N, O); std is 1 for a target that never varies."""
        columns = y.reshape(len(y), -1).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            mean, std = columns.mean(axis=0), columns.std(axis=0)
        std[(columns == columns[0]).all(axis=0) | (std == 0)] = 1.0
        if not np.isfinite(mean + std).all():
            raise DataError(
                "y", expected="targets of finite variance", got="values near 1e308", fix="divide them by a power of 10"
            )
        return cls(mean, std)

    def apply(self, y: HostArray) -> HostArray:
        """Return targets (N,) or (N, O) standardized, in the dtype of y."""
        flat = (y.reshape(len(y), -1) - self.mean) / self.std
        return flat.reshape(y.shape).astype(y.dtype)

    def restore(self, t: HostArray) -> HostArray:
        """Return values in the units of the targets.  t (…, N, O), result of its shape and dtype"""
        return (t * self.std + self.mean).astype(t.dtype)
