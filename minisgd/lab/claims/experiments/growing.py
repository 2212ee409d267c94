"""Training with a batch that grows, or a rate that decays, for as many examples as others see with a constant one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.experiments.fixed_budget import HALVES, Ending, Endings
from minisgd.lab.claims.lab import RATIO, Lab
from minisgd.optim import ConstantBatch, GrowBatch
from minisgd.optim.batch_size import BatchSizeSchedule
from minisgd.optim.learning_rate import Constant, LearningRateSchedule, StepDecay


@dataclass(frozen=True)
class GrowingBudget(Experiment[Endings]):
    """Train for so many epochs while the batch grows from the smallest size to the largest, equally long at each.

    The learning rate stays; one row of Endings, under the largest batch size.

    multiples: learning rates, in multiples of the pilot's best one
    """

    entries: ClassVar[type[Any] | None] = Ending

    epochs: float
    multiples: tuple[float, ...] = HALVES

    way: ClassVar[str] = "growing"

    @property
    def name(self) -> str:
        parts = [f"sgd-{self.epochs:g}-epochs-{self.way}"]
        parts += ["lr-" + "-".join(f"{m:g}" for m in self.multiples)] if self.multiples != HALVES else []
        return "-".join(parts)

    def stages(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the batch size of every stage, of those that are compared."""
        return sizes

    def schedules(self, sizes: tuple[int, ...], lr: float) -> tuple[LearningRateSchedule, BatchSizeSchedule]:
        """Return the learning rate and the batch size of a training run that begins at a learning rate."""
        every = self.epochs / len(sizes)
        return Constant(lr), GrowBatch(sizes[0], sizes[-1], every=every, factor=RATIO)

    def seconds(self, lab: Lab) -> float:
        pilot, trial = lab.pilot(), lab.trial()
        sizes = lab.within(trial)
        examples = self.epochs / len(sizes) * len(trial.data)  # of a stage
        each = sum(pilot.seconds(b, examples / b) for b in self.stages(sizes))
        return len(lab.seeds) * len(lab.rates(self.multiples)) * each

    def run(self, lab: Lab) -> Endings:
        trial, pilot, journal = lab.trial(), lab.pilot(), lab.journal(self)
        sizes = lab.within(trial)
        rates = [float(f"{m * pilot.lr:.4g}") for m in lab.rates(self.multiples)]
        for lr in rates:
            if any((sizes[-1], lr, s) not in journal.cells for s in lab.seeds):
                journal.add(self._train(lab, sizes, lr))
                lab.on_cells(len(lab.seeds))
        cells = [[[journal.cells[sizes[-1], lr, s] for s in lab.seeds] for lr in rates]]
        return Endings(sizes[-1:], np.array([rates]), cells, len(trial.data))

    def _train(self, lab: Lab, sizes: tuple[int, ...], lr: float) -> list[Ending]:
        """Train one replica for each seed."""
        trial = lab.trial()
        rate, schedule = self.schedules(sizes, lr)
        trial = replace(trial, optimizer=replace(trial.optimizer, lr=rate))
        prepared = replace(trial.prepare(schedule.largest, lab.seeds), batch_size=schedule)
        session = prepared.session(last_batch="drop", epochs=self.epochs)
        on_train, on_validation = prepared.evaluator("train"), prepared.evaluator()
        assert on_train is not None and on_validation is not None
        budget = self.epochs * len(trial.data)
        while session.examples + schedule(session.progress()) <= budget:
            session.step()
            lab.check_time()
        train, val = on_train.score(), on_validation.score()
        keys = [(sizes[-1], lr, seed) for seed in lab.seeds]
        return [Ending.of(key, session.steps, train, val, k) for k, key in enumerate(keys)]


class DecayingBudget(GrowingBudget):
    """Train for as many epochs at the smallest size while the learning rate falls as often, and as far, instead."""

    way: ClassVar[str] = "decaying"

    def stages(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        return sizes[:1] * len(sizes)

    def schedules(self, sizes: tuple[int, ...], lr: float) -> tuple[LearningRateSchedule, BatchSizeSchedule]:
        return StepDecay(lr, factor=1 / RATIO, every=self.epochs / len(sizes)), ConstantBatch(sizes[0])
