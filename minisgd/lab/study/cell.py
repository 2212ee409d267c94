"""One training run of a study, which its journal keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from minisgd.errors import DataError
from minisgd.files import to_json

CURVE_POINTS = 60
"""Evaluations of a training run that its curve keeps."""


@dataclass(frozen=True)
class Cell:
    """What one training run did: batch size, learning rate and seed name it.

    steps_to_target is infinite where the target was not reached; then the training run was diverged, or censored:
    stopped after ``steps`` for having no chance of being the best, or at the end of its budget.
    """

    batch_size: int
    lr: float
    seed: int
    steps_to_target: float
    steps: int
    diverged: bool
    train_loss: float
    val_loss: float | None
    val_accuracy: float | None
    curve: tuple[tuple[float, float, float], ...] = ()
    """(step, training loss, the target's metric) at its evaluations."""

    @property
    def reached(self) -> bool:
        return math.isfinite(self.steps_to_target)

    @property
    def key(self) -> tuple[int, float, int]:
        return self.batch_size, self.lr, self.seed

    def to_line(self) -> str:
        """Return the cell as one line of JSON; what is not finite is null."""
        values = asdict(self) | {"reached": self.reached}
        values["censored"] = not self.reached and not self.diverged
        return to_json(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a cell from its line."""

        def number(value: Any, missing: float) -> float:
            return missing if value is None else float(value)

        curve = tuple(
            (number(step, 0), number(loss, math.nan), number(metric, math.nan))
            for step, loss, metric in values["curve"]
        )
        possible = values["batch_size"] >= 1 and values["lr"] > 0 and values["steps"] >= 0
        if not possible or not number(values["steps_to_target"], math.inf) > 0:
            raise DataError(
                "cell", expected="values that a training run can have", got=to_json(values)[:60], fix="delete the line"
            )
        return cls(
            int(values["batch_size"]),
            float(values["lr"]),
            int(values["seed"]),
            number(values["steps_to_target"], math.inf),
            int(values["steps"]),
            bool(values["diverged"]),
            number(values["train_loss"], math.nan),
            values["val_loss"],
            values["val_accuracy"],
            curve,
        )


def downsample(points: list[tuple[float, float, float]]) -> tuple[tuple[float, float, float], ...]:
    """Return at most CURVE_POINTS of the points, first and last among them."""
    if len(points) <= CURVE_POINTS:
        return tuple(points)
    last = len(points) - 1
    chosen = sorted({round(k * last / (CURVE_POINTS - 1)) for k in range(CURVE_POINTS)})
    return tuple(points[k] for k in chosen)
