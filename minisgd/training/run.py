"""The result of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from minisgd.data import Dataset, Split
from minisgd.data.preprocessing import Preprocessing
from minisgd.errors import ArgumentError
from minisgd.nn import Loss, Network
from minisgd.optim import Optimizer
from minisgd.tables import Table, curves
from minisgd.training.history import History
from minisgd.training.metrics import Metric, confusion_matrix
from minisgd.training.predictor import Predictor
from minisgd.training.scoring import answers_of, evaluate, find_split, measure
from minisgd.typing import HostArray


@dataclass
class Run:
    """A finished training run: the trained network, what was measured, and what it cost.

    Attributes:
        network: The trained network.
        history: A record for every evaluation.
        data: The data set, with its splits.
        loss: The loss that was minimised.
        optimizer: That which minimised it, as it was given.
        metrics: The metrics by name.
        steps: Updates taken.
        epochs: Passes over the training data.
        examples: Training examples seen, repetitions counted.
        seconds: Wall time, evaluations included.
        train_seconds: Wall time without evaluations.
        memory_bytes: Bytes of the arrays that the training run declared.
        stopped: Why it ended: "finished", "stopped by a callback" or "interrupted".
        device: Where it ran.
        warnings: What went wrong without ending the training run, with the likely cause.
    """

    network: Network
    history: History
    data: Dataset
    loss: Loss
    optimizer: Optimizer
    metrics: Mapping[str, Metric]
    steps: int
    epochs: float
    examples: int
    seconds: float
    train_seconds: float
    memory_bytes: int
    stopped: str
    device: str = "cpu"
    warnings: tuple[str, ...] = ()

    @cached_property
    def model(self) -> Predictor:
        """The network together with the preprocessing of its data."""
        return Predictor(self.network, Preprocessing.of(self.data), self.loss)

    def predict(self, raw: Any) -> HostArray:
        """Return what the network answers for raw examples.

        Args:
            raw: Examples as they were before training: an array (N, …), a list of rows, a data frame, or the path of a
                table or a .npy file.

        Returns:
            Values in the units and the shape of the targets, (N,) or (N, O), for regression; else logits (N, C).

        Raises:
            DataError: For columns that are missing, or cells that cannot be read.
            ShapeError: For examples of another shape.
        """
        return self.model.predict(raw)

    def predict_proba(self, raw: Any) -> HostArray:
        """Return the probabilities of the classes, (N, C).

        Args:
            raw: As for ``predict``.

        Returns:
            (N, C), rows of which sum to 1 unless several labels may hold.

        Raises:
            ArgumentError: For regression.
            DataError: As for ``predict``.
        """
        return self.model.predict_proba(raw)

    def predict_labels(self, raw: Any) -> HostArray:
        """Return labels as they were in the training data.

        Args:
            raw: As for ``predict``.

        Returns:
            (N,) the likeliest class; or (N, O) of 0 and 1 where several labels may hold.

        Raises:
            ArgumentError: For regression.
            DataError: As for ``predict``.
        """
        return self.model.predict_labels(raw)

    def confusion_matrix(self, split: str | Split = "validation") -> HostArray:
        """Return how often each class (row) was taken for each (column).

        Args:
            split: The name of a split of the data set, or a Split.

        Returns:
            (C, C) counts.

        Raises:
            ArgumentError: If the data set has no such split, or no classes.
        """
        part = find_split(self.data, split)
        if self.data.task != "classification":
            raise ArgumentError(
                "confusion_matrix",
                expected="called on a classification",
                got=f"a {self.data.task}",
                fix="call evaluate",
            )
        y, given = answers_of(self.network, self.data, part)
        return confusion_matrix(y, given["labels"], self.data.n_classes)

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
        result = evaluate(self.network, self.loss, part, self.data.scale)
        return result | measure(self.network, self.data, part, self.metrics)

    def save(self, path: str | Path) -> Path:
        """Write the model as one safetensors file: layers, weights, preprocessing, loss.

        ``ms.load_model(path)`` reads it, without the code that made the network; ``network.load(path)`` reads the
        weights alone.

        Args:
            path: The file, its name ending in .safetensors; or a folder, for a file weights.safetensors in it.

        Returns:
            The path of the file.

        Raises:
            OutputError: If the file cannot be written.
            ArgumentError: If a layer of one's own does not keep an argument of its constructor.
        """
        return self.model.save(path)

    @property
    def samples_per_second(self) -> float:
        """Training examples per second, evaluations left out."""
        return self.examples / self.train_seconds if self.train_seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of the last evaluation and the cost as plain numbers."""
        measured = "train_loss", "val_loss", "val_accuracy", *(f"val_{name}" for name in self.metrics)
        cost = "steps", "epochs", "examples", "seconds", "samples_per_second", "memory_bytes", "device"
        last = self.history[-1] if len(self.history) else {}
        return {name: last.get(name) for name in measured} | {name: getattr(self, name) for name in cost}

    def __str__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_() + curves(self.history.curves("loss"), "epoch", "loss")

    def _table(self) -> Table:
        """Return the figures of the last evaluation and the cost, with what went wrong."""
        figures = {name: value for name, value in self.to_dict().items() if value is not None}
        rows = [(name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in figures.items()]
        return Table(("", ""), rows, f"Run on {self.data.name}: {self.stopped}", self.warnings)
