"""The recommendation as it is typed: a command and a call that reach the target."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from minisgd.lab.study.statistics import CensoredMedian
from minisgd.nn import Loss
from minisgd.optim import Optimizer

MARGIN = 1.5
"""Training runs are given this many times the median steps, or up to twice as many where the interval says so."""


def steps_with_margin(steps: CensoredMedian) -> int:
    """Return the updates to train for: the upper end of the interval, but from 1.5 to 2 times the median."""
    high = steps.high if math.isfinite(steps.high) else 0.0
    return math.ceil(min(max(MARGIN * steps.median, high), 2 * steps.median))


@dataclass(frozen=True)
class Instructions:
    """What a training run needs besides batch size, learning rate and steps.

    command: the beginning of the ``minisgd train`` command, or None where the data have no name on the command line
    options: keyword arguments of ``ms.train`` that are not left at their defaults
    """

    optimizer: Optimizer
    loss: Loss | None = None
    seed: int = 0
    command: str | None = None
    options: tuple[tuple[str, Any], ...] = ()

    def train_command(self, batch_size: int, lr: float, steps: int) -> str | None:
        """Write the complete command."""
        if self.command is None:
            return None
        return f"{self.command} --batch-size {batch_size} --lr {lr:g} --steps {steps} --last-batch drop"

    def train_call(self, batch_size: int, lr: float, steps: int) -> str:
        """Write the complete call; ``network`` and ``data`` are those that the study was given."""
        optimizer = replace(self.optimizer, lr=lr)
        parts = ["network", "data", f"optimizer=ms.{optimizer.describe()}"]
        if self.loss is not None:
            parts.append(f"loss=ms.{self.loss!r}")
        parts += [f"batch_size={batch_size}", f"steps={steps}", "last_batch='drop'"]
        parts += [f"{name}={value!r}" for name, value in self.options]
        return f"ms.train({', '.join([*parts, f'seed={self.seed}'])})"
