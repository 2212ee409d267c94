"""A training run in progress: what callbacks see, and what an evaluation records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minisgd.data import Dataset
from minisgd.errors import ArgumentError, MinisgdError
from minisgd.nn import Network
from minisgd.training.evaluation import Evaluator
from minisgd.training.history import History, Record
from minisgd.training.metrics import Metric
from minisgd.training.scoring import measure
from minisgd.training.session import Session

TRIED = 32
"""Examples on which metrics are tried before the first step."""


@dataclass
class TrainingState:
    """A training run in progress, as callbacks see it."""

    session: Session
    evaluator: Evaluator | None
    data: Dataset
    metrics: Mapping[str, Metric]
    history: History = field(default_factory=History)
    seconds: float = 0.0
    train_seconds: float = 0.0
    first_loss: float = 0.0
    """Loss of the first batch, before anything was learned."""
    due: float = 0.0
    """Epochs at which the next evaluation is due."""
    warnings: list[str] = field(default_factory=list)
    """What went wrong without ending the training run."""

    @property
    def network(self) -> Network:
        """The network being trained."""
        return self.session.network

    @property
    def is_evaluated(self) -> bool:
        """True if the last record is of the network as it is."""
        return len(self.history) > 0 and self.history[-1]["step"] == self.session.steps

    def try_metrics(self) -> None:
        """Compute the metrics of a few examples, so that a wrong one is refused before the first step."""
        if self.data.validation is None:
            if self.metrics:
                raise ArgumentError(
                    "metrics",
                    expected="left out without a validation split, on which they are measured",
                    got=", ".join(self.metrics),
                    fix="hold one out: validation=0.2",
                )
            return
        few = self.data.validation.take(slice(0, TRIED))
        for name, metric in self.metrics.items():
            try:
                measure(self.session.network, self.data, few, {name: metric})
            except MinisgdError:
                raise
            except Exception as error:
                raise ArgumentError(
                    f"metrics: {name!r}",
                    expected=f"a function (target, prediction) → number of arrays of shape {few.y.shape}",
                    got=f"{type(error).__name__}: {error}",
                    fix="predictions have the shape of y; ms.Metric(function, needs='scores') gets probabilities",
                ) from error

    def evaluate(self) -> Record:
        """Evaluate now, and append the record to the history."""
        session = self.session
        record: Record = {
            "step": session.steps,
            "epoch": session.epochs,
            "examples": session.examples,
            "seconds": self.seconds,
            "lr": session.lr,
            "batch_size": session.size,
            "train_loss": float(session.take_train_loss()[0]),
            "val_loss": None,
            "val_accuracy": None,
        }
        if self.evaluator is not None and self.data.validation is not None:
            score = self.evaluator.score()
            record["val_loss"] = float(score.loss[0])
            record["val_accuracy"] = None if score.accuracy is None else float(score.accuracy[0])
            measured = measure(session.network, self.data, self.data.validation, self.metrics)
            record |= {f"val_{name}": value for name, value in measured.items()}
        self.history.append(record)
        return record

    # ------------------------------------------------ stopping and going on

    def state(self) -> dict[str, Any]:
        """Return what was measured so far, as a checkpoint keeps it."""
        return {"history": list(self.history), **{name: getattr(self, name) for name in _KEPT}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned.

        Args:
            state: What it returned.

        Raises:
            KeyError: If something is missing in it.
        """
        self.history.records[:] = state["history"]
        for name in _KEPT:
            setattr(self, name, state[name])


_KEPT = ("seconds", "train_seconds", "first_loss", "due")
