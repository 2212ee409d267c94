"""From where a large batch came to rest: on with it, or with a small batch for a while."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.experiments.curvature import seconds_of, top_eigenvalue
from minisgd.lab.claims.lab import Lab
from minisgd.optim import BatchSizeSchedule, ConstantBatch, Progress
from minisgd.typing import HostArray

LENGTH = 2.0
"""Each of the three phases is so many times the steps in which the pilot reached its target."""

SHARE = 0.5
"""Of the pilot's best learning rate: the smallest batch must be stable at it too."""

LOOKS = 2
"""Looks at every phase, the last at its end; one more comes right after the batch has changed."""


@dataclass(frozen=True)
class Excursion:
    """Use the large batch, the small one from step ``there`` until step ``back``, then the large one again."""

    largest: int
    small: int
    there: int
    back: int

    def __call__(self, progress: Progress) -> int:
        return self.small if self.there <= progress.step < self.back else self.largest


@dataclass(frozen=True)
class Escape:
    """What happened with an excursion to the small batch, and what without.

    steps (T,): of the looks; the excursion lasts from step ``there`` to step ``back``
    with_, without: "lambda_max", "train_loss" and "val_loss", each (T, S)
    """

    small: int
    large: int
    lr: float
    there: int
    back: int
    steps: tuple[int, ...]
    with_: dict[str, HostArray]
    without: dict[str, HostArray]


@dataclass(frozen=True)
class SwitchToSmall(Experiment[Escape]):
    """Train with the largest batch, switch to the smallest, switch back; and, from the same weights, never switch."""

    @property
    def name(self) -> str:
        return "sgd-switch-to-small"

    def seconds(self, lab: Lab) -> float:
        pilot, largest = lab.pilot(), lab.within(lab.trial())[-1]
        length = LENGTH * pilot.steps
        trained = 5 * pilot.seconds(largest, length) + pilot.seconds(pilot.batch_size, length)
        return len(lab.seeds) * (trained + 6 * LOOKS * seconds_of("top", pilot))

    def run(self, lab: Lab) -> Escape:
        pilot, sizes = lab.pilot(), lab.within(lab.trial())
        length, lr = round(LENGTH * pilot.steps), SHARE * pilot.lr
        small, large = sizes[0], sizes[-1]
        there, back = length, 2 * length
        looks = [round(length * k / LOOKS) for k in range(1, 3 * LOOKS + 1)]
        steps = tuple(sorted({*looks, there + 4, back + 4}))
        excursion = Excursion(large, small, there, back)
        with_, without = (_follow(lab, lr, large, batch, steps) for batch in (excursion, ConstantBatch(large)))
        return Escape(small, large, lr, there, back, steps, with_, without)


def _follow(lab: Lab, lr: float, large: int, batch: BatchSizeSchedule, steps: tuple[int, ...]) -> dict[str, HostArray]:
    """Train one stack of seeds and look at it at these steps."""
    trial = lab.trial()
    prepared = replace(trial.with_lr(lr).prepare(large, lab.seeds), batch_size=batch)
    session = prepared.session(last_batch="drop")
    on_train, on_validation = prepared.evaluator("train"), prepared.evaluator()
    assert on_train is not None and on_validation is not None
    seen: dict[str, list[HostArray]] = {"lambda_max": [], "train_loss": [], "val_loss": []}
    for step in steps:
        while session.steps < step:
            session.step()
            lab.check_time()
        seen["train_loss"].append(on_train.score().loss)
        seen["val_loss"].append(on_validation.score().loss)
        networks = [session.network.replica(k) for k in range(len(lab.seeds))]
        seen["lambda_max"].append(np.array([top_eigenvalue(network, trial) for network in networks]))
    lab.on_cells(len(lab.seeds))
    return {name: np.array(rows) for name, rows in seen.items()}
