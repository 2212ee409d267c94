"""How far a training run has come: all that a schedule may look at."""

from __future__ import annotations

from dataclasses import dataclass

from minisgd.optim.measure import GradientMeasure


@dataclass(frozen=True)
class Progress:
    """The state of a training run before an update.

    Args:
        step: Updates done so far.
        epoch: Examples seen so far / N.
        fraction: The share of the training run that is done, in [0, 1].
        batch_size: B of the coming update; a schedule of B itself finds that of the update before.
        measured: What the update before measured of its gradient, where a schedule asked for it then.
        step_share: The share of the training run that an update makes, where its length is known, else 0.
    """

    step: int
    epoch: float
    fraction: float
    batch_size: int
    measured: GradientMeasure | None = None
    step_share: float = 0.0
