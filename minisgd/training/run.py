"""The result of a training run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from minisgd.data import Dataset, Split
from minisgd.errors import ArgumentError
from minisgd.nn import Loss, Network
from minisgd.training.evaluation import Evaluator, evaluation_plan
from minisgd.training.feeds.feed import ExampleSpec, HostData
from minisgd.training.history import History
from minisgd.training.placement import evaluation_feed, planned_memory
from minisgd.typing import HostArray

Metric: TypeAlias = Callable[[HostArray, HostArray], float]
"""A function (target, prediction) → number; target (N, …) as in the data set, prediction (N, O) host arrays."""


@dataclass
class Run:
    """A finished training run: the trained network, what was measured, and what it cost.

    Attributes:
        network: The trained network.
        history: A record for every evaluation.
        data: The data set, with its splits.
        loss: The loss that was minimised.
        metrics: The metrics by name.
        steps: Updates taken.
        epochs: Passes over the training data.
        examples: Training examples seen, repetitions counted.
        seconds: Wall time, evaluations included.
        train_seconds: Wall time without evaluations.
        memory_bytes: Bytes of the arrays that the training run declared.
        stopped: Why it ended: "finished", "stopped by a callback" or "interrupted".
        device: Where it ran.
    """

    network: Network
    history: History
    data: Dataset
    loss: Loss
    metrics: Mapping[str, Metric]
    steps: int
    epochs: float
    examples: int
    seconds: float
    train_seconds: float
    memory_bytes: int
    stopped: str
    device: str = "cpu"

    def evaluate(self, split: str | Split = "validation") -> dict[str, float]:
        """Return loss, accuracy (where there are classes) and the metrics on a split.

        Args:
            split: The name of a split of the data set, or a Split.

        Returns:
            "loss", "accuracy" and the metrics by name.

        Raises:
            ArgumentError: If the data set has no such split.
        """
        part = find_split(self.data, split)
        return evaluate(self.network, self.loss, part, self.data.scale, self.metrics)

    def save(self, path: str | Path) -> Path:
        """Write the weights as safetensors; ``network.load(path)`` reads them back.

        Args:
            path: The file; missing folders are made.

        Returns:
            The path of the file.

        Raises:
            OutputError: If the file cannot be written.
        """
        return self.network.save(path)

    @property
    def samples_per_second(self) -> float:
        """Training examples per second, evaluations left out."""
        return self.examples / self.train_seconds if self.train_seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of the last evaluation and the cost as plain numbers."""
        last = self.history[-1] if len(self.history) else {}
        return {
            "train_loss": last.get("train_loss"),
            "val_loss": last.get("val_loss"),
            "val_accuracy": last.get("val_accuracy"),
            "steps": self.steps,
            "epochs": self.epochs,
            "examples": self.examples,
            "seconds": self.seconds,
            "samples_per_second": self.samples_per_second,
            "memory_bytes": self.memory_bytes,
            "device": self.device,
        }


def find_split(data: Dataset, split: str | Split) -> Split:
    """Return a split by name, or the split itself."""
    if isinstance(split, Split):
        return split
    if split not in data.splits:
        raise ArgumentError(
            "split", expected=f"one of {', '.join(data.splits)}", got=split, fix="choose one, or pass a Split"
        )
    return data.splits[split]


def evaluate(
    network: Network, loss: Loss, split: Split, scale: float = 1.0, metrics: Mapping[str, Metric] | None = None
) -> dict[str, float]:
    """Return mean loss, accuracy and metrics of a trained network on a split.

    Args:
        network: A network with weights.
        loss: The loss.
        split: The examples; their weights count as in training.
        scale: Factor on x, the data set's own.
        metrics: Functions (target, prediction) → number by name.

    Returns:
        "loss", "accuracy" where there are classes, and the metrics by name.

    Raises:
        MemoryLimitError: If the device has no memory for it.
    """
    ops, dtype = network.ops, network.dtype
    feed = evaluation_feed(ops, ExampleSpec.of(split, scale, dtype), dtype, len(split))
    with planned_memory(network, lambda: evaluation_plan(network, loss, feed, len(split))):
        score = Evaluator(network.copy(), loss, HostData.of(split, dtype), feed).score()
    result = {"loss": float(score.loss[0])}
    if score.accuracy is not None:
        result["accuracy"] = float(score.accuracy[0])
    return result | measure(network, split, metrics or {})


def measure(network: Network, split: Split, metrics: Mapping[str, Metric]) -> dict[str, float]:
    """Return the metrics of a network's predictions on a split."""
    if not metrics:
        return {}
    prediction = network.predict(split.x)
    return {name: float(metric(split.y, prediction)) for name, metric in metrics.items()}
