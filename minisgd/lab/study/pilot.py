"""What a pilot found: whether anything can be learned, the target by which to compare, and where to search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minisgd.lab import words
from minisgd.lab.study.target import Baseline, Target

STEPS = 800
"""Updates of a training run of the pilot: what they reach is the measure of the target."""

MEASURABLE = 10
"""Updates that reaching the target must take at every batch size, so that a batch size can be told from another."""


@dataclass(frozen=True)
class Pilot:
    """What the pilot found: the target, and at one batch size the best learning rate and its steps to the target."""

    target: Target
    batch_size: int
    lr: float
    steps: float
    replica_step_seconds: float
    """Seconds of one update of one replica in a stack."""
    level: float
    """What the best learning rate ended with, in the metric of the target."""
    baseline: Baseline
    learned: bool
    """Whether that beats the best constant answer by more than chance."""
    measurable: bool
    """Whether reaching the target takes enough updates at every batch size."""
    rates: int
    """Learning rates tried."""
    updates: int = STEPS
    """Updates of its training runs: STEPS, or fewer where time was short."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Pilot:
        """Rebuild a pilot from the journal."""
        known = values["baseline"]
        balance = None if known["balance"] is None else tuple(known["balance"])
        error = math.inf if known["error"] is None else known["error"]
        baseline = Baseline(**{**known, "balance": balance, "error": error, "value": _number(known["value"])})
        goal = {**values["target"], "value": _number(values["target"]["value"])}
        return cls(**{**values, "target": Target(**goal), "level": _number(values["level"]), "baseline": baseline})

    def seconds(self, batch_size: int, steps: float) -> float:
        """Return about how long one replica of a stack takes for so many updates at a batch size."""
        # half of a step is for the weights, half for the examples: near enough for an estimate
        return steps * self.replica_step_seconds * (0.5 + 0.5 * batch_size / self.batch_size)

    @property
    def trouble(self) -> str:
        """State why no batch sizes can be compared; empty where they can."""
        if self.learned and self.measurable:
            return ""
        if self.learned and self.updates < STEPS:
            return (
                f"Time allowed the pilot {self.updates} updates of batch size {self.batch_size}, and {self.target}, "
                f"which is as far as they lead, takes {words.count(self.steps)} or fewer: too few to tell batch sizes "
                "apart. Allow more time, or give a target."
            )
        if self.learned:
            return (
                f"The problem is too easy to tell batch sizes apart: reaching {self.target} takes fewer than "
                f"{MEASURABLE} updates at the largest of them. Any batch size will do."
            )
        values = ("the mean", "the median", "the same value")
        constant = self.baseline.answer if self.baseline.answer in values else "the commonest class"
        best = self.target.at(self.level) if math.isfinite(self.level) else "no finite value"
        cut = "" if self.updates == STEPS else ", more than which time did not allow"
        text = (
            f"Nothing was learned: the best of {self.rates} learning rates ended with {best} after {self.updates} "
            f"updates of batch size {self.batch_size}{cut}, which is not distinguishable from always answering "
            f"{constant}. {self.baseline}"
        )
        if self.baseline.metric == "val_balanced_accuracy" and self.baseline.error > 0.1:
            rare = round(self.baseline.n_validation * (self.baseline.balance or (0, 0))[1])
            text += f" The rarest class has only {words.plural(rare, 'validation example')}: hold out more."
        return text


def _number(value: float | None) -> float:
    return math.nan if value is None else value
