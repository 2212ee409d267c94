"""``ms.CriticalBatchTracker``: the local critical batch size along a training run, as a curve over its updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from minisgd.checks import positive
from minisgd.lab.instruments.noise.branches import (
    LocalCriticalBatchSize,
    check_branches,
    local_critical_batch_size,
    require_room,
)
from minisgd.optim import ConstantBatch
from minisgd.tables import curves
from minisgd.training.callbacks import Callback
from minisgd.training.state import TrainingState


class CriticalBatchTracker(Callback):
    """Branch the training run every so many updates, and measure how large a batch it bears from there on.

    ``steps`` are the updates done before each measurement, ``results`` what ``local_critical_batch_size`` found there,
    with its 95% intervals: of the optimizer as it is at that update, at the batch size and learning rate of the moment.
    The training run is the same to the last bit.

    A measurement takes seeds · examples / (k B) updates for every factor k, and three evaluations of the training data
    by every replica; choose ``every`` accordingly. Where the batch grows, it is measured while a larger one fits into
    the training data.

    Args:
        every: Updates from one measurement to the next.
        factors: As for ``local_critical_batch_size``.
        seeds: As for ``local_critical_batch_size``.
        examples: That each branch sees; eight of the largest batches by default.
        tolerance: As for ``local_critical_batch_size``.

    Raises:
        ArgumentError: An argument is out of range; before the first step, for a batch that leaves no room for a larger.
    """

    def __init__(
        self,
        every: int = 1000,
        *,
        factors: Sequence[int] | None = None,
        seeds: int = 8,
        examples: int | None = None,
        tolerance: float = 0.1,
    ) -> None:
        self.every = self.step_interval = positive(every, "every")
        check_branches(factors, examples, seeds, tolerance)
        self.factors, self.seeds, self.examples, self.tolerance = factors, seeds, examples, tolerance
        self.steps: list[int] = []
        self.results: list[LocalCriticalBatchSize] = []

    def on_start(self, training: TrainingState) -> None:
        self.steps, self.results = [], []
        if isinstance(training.session.batch_size, ConstantBatch):
            require_room(training.session.size, self.factors, self._room(training))

    def on_step(self, training: TrainingState) -> None:
        largest = (2 if self.factors is None else self.factors[-1]) * training.session.size
        if training.session.steps % self.every == 0 and largest <= self._room(training):
            self.measure(training)

    def _room(self, training: TrainingState) -> int:
        """Return the examples that the largest batch must fit into."""
        return min(len(training.data.train), self.examples or len(training.data.train))

    def measure(self, training: TrainingState) -> LocalCriticalBatchSize:
        """Measure at the present update.

        Args:
            training: The training run.

        Returns:
            What was found, which ``results`` has now.
        """
        step = training.session.steps
        found = local_critical_batch_size(
            training,
            factors=self.factors,
            examples=self.examples,
            seeds=self.seeds,
            tolerance=self.tolerance,
            seed=step,
        )
        self.steps.append(step)
        self.results.append(found)
        return found

    def _repr_html_(self) -> str:
        shown = {"local critical batch size": "value", "surely within": "low", "surely beyond": "high"}
        points = {
            name: [
                (float(step), float(getattr(found, field) or nan))
                for step, found in zip(self.steps, self.results, strict=True)
            ]
            for name, field in shown.items()
        }
        return f"<p>{len(self.results)} measurements</p>" + curves(points, "step", "examples")

    def state(self) -> Mapping[str, Any]:
        return {"steps": self.steps, "results": [found.to_dict() for found in self.results]}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.steps = state["steps"]
        self.results = [LocalCriticalBatchSize.from_dict(figures) for figures in state["results"]]
