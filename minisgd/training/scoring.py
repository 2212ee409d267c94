"""A trained network judged on a split: loss, accuracy and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisgd.checks import require_kind
from minisgd.data import Dataset, Split
from minisgd.data.preprocessing import Preprocessing
from minisgd.errors import ArgumentError
from minisgd.nn import Loss, Network
from minisgd.nn.network import require_network
from minisgd.nn.sequential import clone
from minisgd.optim.checks import positive
from minisgd.training.evaluation import Evaluator, evaluation_plan
from minisgd.training.feeds.feed import HostData
from minisgd.training.metrics import Metric, as_metrics
from minisgd.training.placement import evaluation_feed, planned_memory
from minisgd.training.predictor import Predictor
from minisgd.typing import HostArray


def find_split(data: Dataset, split: str | Split) -> Split:
    """Return a split by name, or the split itself without the rows of weight 0."""
    if isinstance(split, Split):
        return split.normalized()
    if not isinstance(split, str) or split not in data.splits:
        got = repr(split) if isinstance(split, str) else type(split).__name__
        raise ArgumentError(
            "split", expected=f"one of {', '.join(data.splits)}", got=got, fix="choose one, or pass ms.Split(x, y)"
        )
    return data.splits[split]


def evaluate(
    network: Network, loss: Loss, split: Split, scale: float = 1.0, metrics: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Return mean loss, accuracy and metrics of a trained network on a split.

    Args:
        network: A network with weights.
        loss: The loss.
        split: The examples; their weights count as in training.
        scale: Factor on x, the data set's own.
        metrics: Metrics by name.

    Returns:
        "loss", "accuracy" where there are classes, and the metrics by name.

    Raises:
        MemoryLimitError: If the device has no memory for it.
    """
    require_network(network)
    network.require_built()
    require_kind(loss, Loss, "loss", "a loss object", "for example run.loss")
    require_kind(split, Split, "split", "an ms.Split", "for example data.validation")
    positive("scale", scale, "use 1.0, or 1/255 for bytes")
    network, loss, split = network.copy(), clone(loss), split.normalized()  # binding changes network and loss
    feed = evaluation_feed(network, split, scale)
    with planned_memory(network, lambda: evaluation_plan(network, loss, feed, len(split))):
        score = Evaluator(network, loss, HostData.of(split, network.dtype), feed).score()
    result = {"loss": float(score.loss[0])}
    if score.accuracy is not None:
        result["accuracy"] = float(score.accuracy[0])
    if not metrics:
        return result
    task = "regression" if network.classes is None else "classification"
    data = Dataset("data", split, classes=network.classes, scale=scale)
    return result | measure(network, data, split, as_metrics(metrics, task))


def measure(network: Network, data: Dataset, split: Split, metrics: Mapping[str, Metric]) -> dict[str, float]:
    """Return the metrics of a network's predictions on a split of a data set, targets in their own units."""
    if not metrics:
        return {}
    y, given = answers_of(network, data, split)
    usual = "values" if data.task == "regression" else "labels"
    return {name: metric(y, given[metric.needs or usual], split.weight) for name, metric in metrics.items()}


def answers_of(network: Network, data: Dataset, split: Split) -> tuple[HostArray, dict[str, HostArray]]:
    """Return the targets as they were, and the predictions as metrics need them."""
    model = Predictor(network, Preprocessing.of(data))
    answers, y = model.of(scaled(split.x, data.scale)), split.y
    if data.task == "regression":
        scale = data.target.scale if data.target is not None else None
        y = y if scale is None else scale.restore(y.reshape(len(y), -1)).reshape(y.shape)
        return y, {"values": answers.reshape(y.shape)}
    if data.task == "classification" and y.dtype.kind == "f":  # soft labels: the likeliest class
        y = y.argmax(axis=1)
    return y, {"scores": model.probabilities(answers), "labels": model.codes(answers)}


def scaled(x: HostArray, scale: float) -> HostArray:
    """Return features as ``network.predict`` takes them: bytes, which it scales, as they are, and floats scaled."""
    return x if x.dtype == np.uint8 or scale == 1 else x * np.asarray(scale, x.dtype)
