"""Metrics by name, each with its direction, and functions of one's own: what they are given, checked beforehand."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias

import numpy as np

from minisgd.checks import as_items, is_word
from minisgd.data import Dataset
from minisgd.errors import ArgumentError
from minisgd.nn.lending import read_only
from minisgd.typing import HostArray

Mode: TypeAlias = Literal["min", "max"]
Needs: TypeAlias = Literal["values", "labels", "scores"]
Function: TypeAlias = Callable[..., float]

Metrics: TypeAlias = Mapping[str, Any] | Sequence[str | Callable[..., float]] | str | Callable[..., float]
"""Names, functions, or both by names of their own."""

RESERVED = ("step", "epoch", "examples", "seconds", "lr", "batch_size", "loss", "accuracy")
"""Names that the records of a training run use for something else."""


@dataclass(frozen=True)
class Metric:
    """A function (target, prediction) → number, what it is given, and whether more is better.

    Args:
        function: Called with targets and predictions, and with the weights of the examples if it has a parameter
            ``weight``.
        mode: "max" where more is better, "min" where less is, None where it is not known.
        needs: "values", predictions in the shape and units of regression targets; "labels", class codes (N,); or
            "scores", probabilities (N, C), or (N, O) for several labels. None: labels for classes, values otherwise.

    Raises:
        ArgumentError: For what is no function, and for another mode or need.
    """

    function: Function
    mode: Mode | None = None
    needs: Needs | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ArgumentError("metric", expected="a function", got=self.function, fix="pass f(target, prediction)")
        if not is_word(self.mode, ("min", "max", None)):
            raise ArgumentError("mode", expected="'min', 'max' or None", got=self.mode, fix="'max' if more is better")
        if not is_word(self.needs, ("values", "labels", "scores", None)):
            raise ArgumentError(
                "needs", expected="'values', 'labels', 'scores' or None", got=self.needs, fix="leave it out"
            )

    @property
    def weighted(self) -> bool:
        """True if the function takes the weights of the examples."""
        try:
            return "weight" in inspect.signature(self.function).parameters
        except (TypeError, ValueError):  # built-in functions may have no signature
            return False

    def __call__(self, target: HostArray, prediction: HostArray, weight: HostArray | None = None) -> float:
        """Return the metric; weight (N,) reaches the functions that take it."""
        given = {"weight": weight} if self.weighted else {}
        return float(self.function(read_only(target), read_only(prediction), **given))


# ------------------------------------------------ regression: y and p (N,) or (N, O)


def r2(y: HostArray, p: HostArray, weight: HostArray | None = None) -> float:
    """Return the coefficient of determination, 1 − Σ w (y − p)² / Σ w (y − ȳ)², the mean over outputs."""
    y, p, w = _columns(y, p, weight)
    mean = (w * y).sum(axis=0) / w.sum()
    total = (w * (y - mean) ** 2).sum(axis=0)
    rest = (w * (y - p) ** 2).sum(axis=0)
    share = np.where(total > 0, rest / np.where(total > 0, total, 1.0), np.where(rest > 0, 1.0, 0.0))
    return float(np.mean(1 - share))


def mae(y: HostArray, p: HostArray, weight: HostArray | None = None) -> float:
    """Return the mean absolute error, Σ w |y − p| / Σ w, in the units of the target."""
    y, p, w = _columns(y, p, weight)
    return float(np.mean((w * np.abs(y - p)).sum(axis=0) / w.sum()))


def rmse(y: HostArray, p: HostArray, weight: HostArray | None = None) -> float:
    """Return the root of the mean squared error, √(Σ w (y − p)² / Σ w), in the units of the target."""
    y, p, w = _columns(y, p, weight)
    return float(np.mean(np.sqrt((w * (y - p) ** 2).sum(axis=0) / w.sum())))


# ------------------------------------------------ classes: y and p (N,) codes


def accuracy(y: HostArray, p: HostArray, weight: HostArray | None = None) -> float:
    """Return the share of examples that are right; of several labels, the share of right ones."""
    y, p, w = _columns(y, p, weight)
    return float(np.mean((w * (y == p)).sum(axis=0) / w.sum()))


def balanced_accuracy(y: HostArray, p: HostArray, weight: HostArray | None = None) -> float:
    """Return the mean over the classes that occur of the share of their examples that are right."""
    _, hit, _, true = _by_class(y, p, weight)
    occurs = true > 0
    return float(np.mean(hit[occurs] / true[occurs]))


def f1(y: HostArray, p: HostArray, weight: HostArray | None = None) -> float:
    """Return 2 TP / (2 TP + FP + FN): of class 1 where there are two, else the mean over classes (macro).

    Of several labels, the mean over labels.
    """
    classes, hit, said, true = _by_class(y, p, weight)
    each = 2 * hit / np.maximum(said + true, 1e-300)
    if set(classes) <= {0, 1}:
        each = each[classes == 1]
    return float(np.mean(each)) if each.size else 0.0


def _by_class(y: HostArray, p: HostArray, weight: HostArray | None) -> tuple[HostArray, ...]:
    """Return the classes that occur (C,), and how many examples are rightly taken for each, taken for it, and of it.

    Counts are sums of weights, (C, O).
    """
    y, p, w = _columns(y, p, weight)
    classes, codes = np.unique(np.stack([y, p]), return_inverse=True)
    cells = codes.reshape(2, *y.shape) * y.shape[1] + np.arange(y.shape[1])  # (2, N, O)

    def count(cell: HostArray, w: HostArray) -> HostArray:
        flat = np.bincount(cell.ravel(), np.broadcast_to(w, cell.shape).ravel(), len(classes) * cell.shape[1])
        return flat.reshape(len(classes), -1)

    return classes, count(cells[0], w * (y == p)), count(cells[1], w), count(cells[0], w)


def auc(y: HostArray, score: HostArray, weight: HostArray | None = None) -> float:
    """Return the area under the ROC curve, the chance that a positive example scores above a negative one.

    Two classes: of class 1. More: the mean of each class against the rest. Several labels: the mean over labels.
    NaN where only one class occurs.  y (N,) codes or (N, O) of 0 and 1   score (N, C) or (N, O)
    """
    w = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    if y.ndim == 2:
        return float(np.mean([_auc(y[:, k] > 0.5, score[:, k], w) for k in range(y.shape[1])]))
    if score.shape[1] == 2:
        return _auc(y == 1, score[:, 1], w)
    return float(np.mean([_auc(y == c, score[:, c], w) for c in range(score.shape[1])]))


def _auc(positive: HostArray, score: HostArray, w: HostArray) -> float:
    """Return the area by ranks, ties counted half (Mann and Whitney 1947)."""
    order = np.argsort(score, kind="stable")
    positive, score, w = positive[order], score[order], w[order]
    _, tie = np.unique(score, return_inverse=True)
    below = np.bincount(tie, w * ~positive)  # weight of the negatives at each distinct score
    above = np.bincount(tie, w * positive)
    pairs = (above * (np.cumsum(below) - below / 2)).sum()
    total = above.sum() * below.sum()
    return float(pairs / total) if total > 0 else float("nan")


def _columns(y: HostArray, p: HostArray, weight: HostArray | None) -> tuple[HostArray, HostArray, HostArray]:
    """Return target and prediction as (N, O), weights as (N, 1), in float64."""
    w = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    y, p = (np.asarray(values, np.float64).reshape(len(y), -1) for values in (y, p))
    return y, p, w[:, None]


def confusion_matrix(y: HostArray, p: HostArray, classes: int) -> HostArray:
    """Return how often each class (row) was taken for each (column), (C, C).  y, p (N,) codes"""
    counts: HostArray = np.bincount(y * classes + p, minlength=classes * classes).reshape(classes, classes)
    return counts


METRICS: dict[str, Metric] = {
    "r2": Metric(r2, "max", "values"),
    "mae": Metric(mae, "min", "values"),
    "rmse": Metric(rmse, "min", "values"),
    "accuracy": Metric(accuracy, "max", "labels"),
    "balanced_accuracy": Metric(balanced_accuracy, "max", "labels"),
    "f1": Metric(f1, "max", "labels"),
    "auc": Metric(auc, "max", "scores"),
}
"""The metrics that have a name."""


def as_metrics(metrics: Metrics | None, task: str) -> dict[str, Metric]:
    """Return metrics by name: names from the table, or functions (target, prediction) by their own or given names.

    Raises:
        ArgumentError: For an unknown or reserved name, for what is no function, and for a metric of another task.
    """
    if metrics is None:
        return {}
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    wanted, fix = "names of metrics, or functions by name", "write ['f1'] or {'name': f(target, prediction)}"
    if not isinstance(metrics, Mapping):
        listed, metrics = as_items(metrics, "metrics", wanted, fix), {}
        for each in listed:
            if metrics.setdefault(name := _name(each), each) is not each and each != name:
                raise ArgumentError(
                    "metrics", expected="functions of different names", got=f"two called {name}", fix=fix
                )
    for name, value in metrics.items():
        if not isinstance(name, str) or not name:
            raise ArgumentError("metrics", expected=wanted, got=repr({name: value}), fix=fix)
    return {name: _metric(name, value, task) for name, value in metrics.items()}


def _name(metric: str | Callable[..., float]) -> str:
    return metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)


def _metric(name: str, value: Any, task: str) -> Metric:
    if isinstance(value, str):
        if value not in METRICS:
            near = get_close_matches(value, METRICS, n=1)
            raise ArgumentError(
                "metrics",
                expected=f"names among {', '.join(METRICS)}, or functions by name",
                got=repr(value),
                fix=f"did you mean {near[0]!r}?" if near else "pass {'name': f(target, prediction)}",
            )
        metric = METRICS[value]
    else:
        metric = value if isinstance(value, Metric) else Metric(value)
        if name in RESERVED:
            raise ArgumentError(
                "metrics",
                expected="names that the records do not use already",
                got=repr(name),
                fix=f"call it {'my_' + name!r}",
            )
    wanted = "regression" if metric.needs == "values" else "classification" if metric.needs else task
    if wanted != task and not (wanted == "classification" and task == "multilabel"):
        others = [known for known, m in METRICS.items() if (m.needs == "values") == (task == "regression")]
        raise ArgumentError(
            "metrics",
            expected=f"metrics of {task}",
            got=f"{name!r}, which is one of {wanted}",
            fix=f"use {', '.join(others)}",
        )
    return metric


UNEVEN = 2.0
"""Classes are imbalanced where the largest has more than so many times the examples of the smallest."""


def default_metrics(data: Dataset) -> list[str]:
    """Return the metrics that a task should be judged by, besides its accuracy."""
    if data.validation is None:
        return []
    if data.task == "regression":
        return ["r2", "mae", "rmse"]
    if data.task == "multilabel":
        return ["f1", "auc"]
    if data.train.y.dtype.kind == "i" and data.train.y.ndim > 1:
        return []
    y = data.train.y if data.train.y.ndim == 1 else data.train.y.argmax(axis=1)
    counts = np.bincount(y, minlength=data.n_classes)
    binary = data.n_classes == 2
    uneven = bool(counts.max() > UNEVEN * max(1, counts.min()))
    return ["balanced_accuracy", "f1"] * (binary or uneven) + ["auc"] * binary
