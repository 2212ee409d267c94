"""The best constant answer: what whoever never looks at an example can reach, and how surely that is known.

A training run has learned something where it beats this by more than chance allows. The answer is the best in
hindsight, for the very examples on which training runs are judged.

Shapes: N validation examples, C classes, O outputs.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from minisgd.data import Dataset, Split
from minisgd.lab.student import t_quantile
from minisgd.lab.study.target import Baseline
from minisgd.nn import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy
from minisgd.nn.losses.regression import L1, Huber, MeanSquaredError
from minisgd.training.memory import loss_for
from minisgd.typing import HostArray

IMBALANCED = 4.0
"""Classes of which the commonest is this many times as common as the rarest are judged by balanced accuracy."""

SIZE = 0.05
"""How often data without a signal may pass for learnable."""


def usual_metric(data: Dataset, loss: Loss | None) -> str:
    """Return the metric in which a target is chosen, unless one is given: that in which nothing learned is plain."""
    assert data.validation is not None
    loss = loss_for(loss, data.task)
    if data.task == "regression":
        return "val_r2" if isinstance(loss, MeanSquaredError) else "val_loss"
    if isinstance(loss, BinaryCrossEntropy):
        return "val_accuracy"
    counts = np.bincount(classes_of(data.train))
    counts = counts[counts > 0]
    return "val_balanced_accuracy" if counts.max() >= IMBALANCED * counts.min() else "val_accuracy"


def best_constant(data: Dataset, metric: str, loss: Loss | None) -> Baseline:
    """Return the best constant answer in a metric, with its sampling error.

    Accuracy: the commonest class, p ± √(p(1 − p)/N). Balanced accuracy: 1/C, and the error of a guess among C classes.
    A loss: the class frequencies, the mean or the median, with the standard error of the loss of an example; infinite
    where the loss is of one's own. R²: 0, with that of the squared error relative to the variance.
    """
    held, loss = data.validation, loss_for(loss, data.task)
    assert held is not None
    n, labelled = len(held), data.task == "classification"
    weight = np.ones(n) if held.weight is None else held.weight.astype(np.float64)
    value, error, resolution, answer = math.nan, math.inf, None, "the same value"
    shares: HostArray = np.array([])
    if labelled and not isinstance(loss, BinaryCrossEntropy):
        labels = classes_of(held)
        counts = np.bincount(labels)
        shares = counts[counts > 0] / n
        name = data.classes[int(counts.argmax())] if data.classes else counts.argmax()
        answer = f"class {name}"
    if metric == "val_balanced_accuracy":
        value, answer = 1 / len(shares), "any one class"  # the weights are those that balance the classes
        error = math.sqrt(float(np.sum(value * (1 - value) / (n * shares)))) / len(shares)
        resolution = 1 / (len(shares) * n * float(shares.min()))
    elif metric == "val_accuracy":
        if isinstance(loss, BinaryCrossEntropy):
            ones = (held.y > 0.5).reshape(n, -1).mean(axis=0)
            value, answer = float(np.maximum(ones, 1 - ones).mean()), "the commoner value of every label"
        else:
            value = float(np.bincount(labels, weight).max() / weight.sum())
        error = math.sqrt(value * (1 - value) * float(np.square(weight).sum())) / float(weight.sum())
        resolution = 1 / n
    else:
        losses, answer = _losses(held, weight, data, loss)
        if losses is not None:
            value, error = float(losses.mean()), float(losses.std()) / math.sqrt(n)
            if metric == "val_r2":
                value, error = 0.0, error / value if value > 0 else math.inf
    balance = (float(shares.max()), float(shares.min())) if len(shares) else None
    return Baseline(metric, value, error, answer, n, balance, resolution)


def loss_of_mean(data: Dataset) -> float:
    """Return the mean squared error of always answering the mean of the validation part: the unit of R²."""
    return best_constant(data, "val_loss", None).value


def reached_by_chance(baseline: Baseline, data: Dataset, loss: Loss | None, tried: int) -> float:
    """Return the score that a network which learned nothing passes with a probability of SIZE at most.

    The score is the best of so many tries, each of which had its chance to be lucky (Bonferroni). Network and constant
    answer are judged on the same examples, so what counts is the scatter of their difference, which is small where the
    network hardly departs from the constant:

    - cross-entropy: over N examples exp(N·gain) is the likelihood ratio of the network to the constant answer, whose
      expectation is at most one where labels do not depend on x, so it passes 1/p with probability p at most (Markov).
      A mean over checkpoints, seeds or soft labels keeps this (Jensen).
    - squared error, R²: R² is at most the squared correlation of answers and targets, whose chance is Student's t.
    - accuracy, and other losses: the sampling error of the constant answer itself.
    """
    loss, p, rises = loss_for(loss, data.task), SIZE / tried, not baseline.metric.endswith("loss")
    n, squares = _examples(data)
    if not rises and isinstance(loss, SoftmaxCrossEntropy | BinaryCrossEntropy):
        gain = math.log(1 / p) / n
    elif baseline.metric == "val_r2" or (not rises and isinstance(loss, MeanSquaredError)):
        share = 1.0
        if squares > 2:
            share = 1 / (1 + (squares - 2) / t_quantile(1 - p, squares - 2) ** 2)
        gain = share if rises else share * baseline.value
    else:
        least = 0.0 if rises else abs(baseline.value) / math.sqrt(n)
        gain = NormalDist().inv_cdf(1 - p) * max(baseline.error, least)
    return baseline.value + gain if rises else baseline.value - gain


def _examples(data: Dataset) -> tuple[float, float]:
    """Return Σw/max w and (Σw)²/Σw²: validation examples that count as much as if each had the same weight."""
    held = data.validation
    assert held is not None
    w = np.ones(len(held)) if held.weight is None else held.weight.astype(np.float64)
    return float(w.sum() / w.max()), float(w.sum() ** 2 / np.square(w).sum())


def classes_of(split: Split) -> HostArray:
    """Return the class of every example, the likeliest one of soft labels.  (N,)"""
    labels: HostArray = split.y.argmax(axis=1) if split.y.ndim == 2 else split.y
    return labels


def balanced(data: Dataset) -> Dataset:
    """Return the data with validation weights under which every class counts alike: accuracy is balanced accuracy."""
    held = data.validation
    assert held is not None
    labels = classes_of(held)
    counts = np.bincount(labels)
    weight = (len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[labels].astype(np.float32)
    train = data.train
    if train.weight is None:
        train = Split(train.x, train.y, np.ones(len(train), np.float32))
    return replace(data, train=train, validation=Split(held.x, held.y, weight))


def _losses(held: Split, weight: HostArray, data: Dataset, loss: Loss) -> tuple[HostArray | None, str]:
    """Return the weighted loss of every example under the best constant answer, (N,), and that answer; None if unknown.

    weight (N,)
    """
    share = weight / weight.sum()
    y = np.asarray(held.y, dtype=np.float64)
    if isinstance(loss, BinaryCrossEntropy):
        t = y.reshape(len(y), -1)
        q = np.clip(share @ t, 1e-12, 1 - 1e-12)
        return -weight * (t * np.log(q) + (1 - t) * np.log(1 - q)).mean(axis=1), "the share of every label"
    if isinstance(loss, SoftmaxCrossEntropy):
        t = y if y.ndim == 2 else np.eye(int(y.max()) + 1)[y.astype(int)]
        smoothing = loss.label_smoothing
        t = (1 - smoothing) * t + smoothing / max(t.shape[1], data.n_classes)
        return -weight * (t @ np.log(np.maximum(share @ t, 1e-12))), "the frequency of every class"
    y = y.reshape(len(y), -1)
    if isinstance(loss, MeanSquaredError):
        return weight * np.square(y - share @ y).mean(axis=1), "the mean"
    gap = np.abs(y - np.median(y, axis=0))
    if isinstance(loss, L1):
        return weight * gap.mean(axis=1), "the median"
    if isinstance(loss, Huber):
        d = loss.delta
        return weight * np.where(gap <= d, 0.5 * gap**2, d * (gap - 0.5 * d)).mean(axis=1), "the median"
    return None, "the same value"
