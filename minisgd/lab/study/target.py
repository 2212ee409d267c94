"""What a training run has to reach, and what is reached without training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from minisgd.lab import words


@dataclass(frozen=True)
class Target:
    """A metric and the value that a training run has to reach.

    Attributes:
        metric: "val_accuracy", "val_balanced_accuracy", "val_r2", "val_loss" or "train_loss".
        value: To be reached.
        loss_of_mean: Of R², the mean squared error of always answering the mean: R² = 1 − loss / loss_of_mean.
    """

    metric: str
    value: float
    loss_of_mean: float | None = None

    @property
    def rises(self) -> bool:
        return not self.metric.endswith("loss")

    @property
    def metric_name(self) -> str:
        """The metric in words: validation accuracy, balanced validation accuracy, validation R², training loss."""
        names = {"val_balanced_accuracy": "balanced validation accuracy", "val_r2": "validation R²"}
        usual = self.metric.replace("val_", "validation ").replace("train_", "training ")
        return names.get(self.metric, usual)

    def measured(self, train_loss: float, val_loss: float | None, val_accuracy: float | None) -> float:
        """Return the metric of a network of which these are known; NaN where it has none.

        On validation examples weighted so that every class counts alike, accuracy is balanced accuracy.
        """
        if self.metric == "val_r2":
            return math.nan if val_loss is None or not self.loss_of_mean else 1 - val_loss / self.loss_of_mean
        accuracies = {"val_accuracy": val_accuracy, "val_balanced_accuracy": val_accuracy}
        value = ({"train_loss": train_loss, "val_loss": val_loss} | accuracies)[self.metric]
        return math.nan if value is None else float(value)

    def at(self, value: float) -> str:
        """Return a value of the metric in words: 95% validation accuracy, a validation loss of 0.05."""
        if self.metric.endswith("accuracy"):
            return f"{100 * value:.4g}% {self.metric_name}"
        return f"a {self.metric_name} of {words.number(value)}"

    def __str__(self) -> str:
        """What a run has to reach, in words."""
        return self.at(self.value) if math.isfinite(self.value) else f"no {self.metric_name} in particular"


@dataclass(frozen=True)
class Baseline:
    """The best constant answer: what whoever never looks at an example reaches on the validation part.

    Attributes:
        metric: That of the target.
        value: What it reaches.
        error: The sampling error of that, one standard error; infinite where it is not known.
        answer: The answer: "class 7", "the mean".
        n_validation: Number of validation examples.
        balance: Share of the commonest and of the rarest class among them; None for regression.
        resolution: By how much one example more changes the metric; None for a loss.
    """

    metric: str
    value: float
    error: float
    answer: str
    n_validation: int
    balance: tuple[float, float] | None = None
    resolution: float | None = None

    def __str__(self) -> str:
        """State it in a sentence: what it is, how surely it is known, and on how many examples."""
        on = f"on {words.plural(self.n_validation, 'validation example')}"
        if not math.isfinite(self.value):
            return f"Nothing is known of the best constant answer in this loss, {on}."
        metric = Target(self.metric, self.value)
        if self.metric.endswith("accuracy"):
            error = f"{100 * self.error:.2g}%"
        else:
            error = words.number(self.error)
        text = f"Always answering {self.answer} reaches {metric}"
        text += f", with a sampling error of {error} {on}" if self.error else f" {on}"
        if self.balance is not None:
            text += f" (classes of {100 * self.balance[0]:.3g}% to {100 * self.balance[1]:.2g}%)"
        return text + "."
