"""The recommendation as it is typed: a command and a call that end at weights that reach the target.

Steps to target are counted to the first evaluation that reaches it, and the noise of a batch can take a network past it
again. So the training run looks often, and keeps the weights of its best evaluation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from minisgd.lab.study.statistics import CensoredMedian
from minisgd.nn import Loss
from minisgd.optim import Optimizer

MARGIN = 1.5
"""Training runs are given this many times the median steps, or up to twice as many where the interval says so."""

RECORDED = {"loss", "train_loss", "accuracy"}
"""What every history has, without being asked for."""

EVALUATIONS = 20
"""How often the recommended training run evaluates."""


def steps_with_margin(steps: CensoredMedian) -> int:
    """Return the updates to train for: the upper end of the interval, but from 1.5 to 2 times the median.

    Where seeds did not get there the interval has no upper end, and twice the median it is.
    """
    high = 0.0 if math.isnan(steps.high) else steps.high  # which a single seed does not have
    return math.ceil(min(max(MARGIN * steps.median, high), 2 * steps.median))


@dataclass(frozen=True)
class Instructions:
    """What a training run needs besides batch size, learning rate and steps.

    metric: what the target is stated in, such as "val_accuracy"
    examples: N, of the training part
    command: the beginning of the ``minisgd train`` command, or None where the data have no name on the command line
    options: keyword arguments of ``ms.train`` that are not left at their defaults
    """

    optimizer: Optimizer
    metric: str
    examples: int
    loss: Loss | None = None
    seed: int = 0
    command: str | None = None
    options: tuple[tuple[str, Any], ...] = ()

    def train_command(self, batch_size: int, lr: float, steps: int) -> str | None:
        """Write the complete command."""
        if self.command is None:
            return None
        length = f"--batch-size {batch_size} --lr {lr:g} --steps {steps} --last-batch drop"
        best = f"--evaluate-every {self._epochs(batch_size, steps):.3g} --best-weights {self.metric}"
        return f"{self.command} {length} {best}"

    def train_call(self, batch_size: int, lr: float, steps: int) -> str:
        """Write the complete call; ``network`` and ``data`` are those that the study was given."""
        optimizer = replace(self.optimizer, lr=lr)
        parts = ["network", "data", f"optimizer=ms.{optimizer.describe()}"]
        if self.loss is not None:
            parts.append(f"loss=ms.{self.loss!r}")
        parts += [f"batch_size={batch_size}", f"steps={steps}", "last_batch='drop'"]
        name = self.metric.removeprefix("val_")
        if name not in RECORDED:
            parts.append(f"metrics=[{name!r}]")
        parts.append(f"evaluate_every={self._epochs(batch_size, steps):.3g}")
        parts.append(f"callbacks=[ms.BestWeights(metric={self.metric!r})]")
        parts += [f"{name}={value!r}" for name, value in self.options]
        return f"ms.train({', '.join([*parts, f'seed={self.seed}'])})"

    def _epochs(self, batch_size: int, steps: int) -> float:
        """Return the epochs between evaluations."""
        return max(1, steps // EVALUATIONS) / max(1, self.examples // batch_size)
