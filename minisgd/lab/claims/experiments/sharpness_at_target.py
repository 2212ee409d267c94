"""Sharpness where training runs at different batch sizes have come to the same training loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.experiments.curvature import seconds_of, sharpness_of
from minisgd.lab.claims.experiments.fixed_budget import Ending, Endings
from minisgd.lab.claims.lab import Lab
from minisgd.lab.trial import Trial
from minisgd.nn import Network

Rule = Literal["fixed lr", "fixed lr/B", "tuned lr"]

TUNED = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0)
"""Learning rates among which the fastest is chosen, in multiples of the pilot's, itself scaled with √B."""

PATIENCE = 10.0
"""A training run may take so many times the steps that the pilot would have needed at its learning rate."""

GROWTH = 1.1
"""From one look at the training loss to the next the steps grow by this factor, so they overshoot by at most that."""


@dataclass(frozen=True)
class SharpnessAtTarget(Experiment[Endings]):
    """Train until the training loss is as low as the pilot's target, and measure the sharpness there.

    Depth decides sharpness more than anything else, so it is the same for all that is compared.

    rule: how the learning rate goes with the batch size. Fixed: half the pilot's. lr/B fixed: the pilot's at the
    largest batch. Tuned: the one at which all seeds are there first.
    """

    entries: ClassVar[type[Any] | None] = Ending

    rule: Rule

    @property
    def name(self) -> str:
        return f"sgd-sharpness-{self.rule.replace(' ', '-').replace('/', '-per-')}"

    def rates(self, batch_size: int, lab: Lab) -> list[float]:
        """Return the learning rates to try at a batch size."""
        pilot, largest = lab.pilot(), lab.within(lab.trial())[-1]
        found = {
            "fixed lr": [pilot.lr / 2],
            "fixed lr/B": [pilot.lr * batch_size / largest],
            "tuned lr": [m * pilot.lr * math.sqrt(batch_size / pilot.batch_size) for m in TUNED],
        }[self.rule]
        return [float(f"{lr:.4g}") for lr in found]

    def seconds(self, lab: Lab) -> float:
        pilot, total = lab.pilot(), 0.0
        for b in lab.within(lab.trial()):
            rates = self.rates(b, lab)
            steps = 2 * pilot.steps * max(1.0, pilot.lr / max(rates))
            total += len(rates) * pilot.seconds(b, steps) + seconds_of("all", pilot)
        return len(lab.seeds) * total

    def run(self, lab: Lab) -> Endings:
        trial, journal = lab.trial(), lab.journal(self)
        lab.goal()
        sizes, cells = lab.within(trial), []
        for b in sizes:
            known = {c.seed: c for c in journal.cells.values() if c.batch_size == b}
            if not set(lab.seeds) <= set(known):
                known = {c.seed: c for c in self._train(lab, trial, b)}
                journal.add(known.values())
                lab.on_cells(len(known))
            cells.append([[known[seed] for seed in lab.seeds]])
        return Endings(sizes, np.array([[row[0][0].lr] for row in cells]), cells, len(trial.data))

    def _train(self, lab: Lab, trial: Trial, b: int) -> list[Ending]:
        """Train until one learning rate has brought all seeds to the target; measure those."""
        pilot, rates = lab.pilot(), self.rates(b, lab)
        runs = [(lr, seed) for lr in rates for seed in lab.seeds]
        prepared = trial.with_lr(1.0).prepare(b, [seed for _, seed in runs])
        session = prepared.session(last_batch="drop", lr_factors=[lr for lr, _ in runs])
        evaluator = prepared.evaluator("train")
        assert evaluator is not None
        arrived: dict[int, tuple[Network, int, float]] = {}
        limit = PATIENCE * pilot.steps * max(1.0, pilot.lr / max(rates))
        there = {lr: 0 for lr in rates}
        while session.steps < limit and max(there.values()) < len(lab.seeds):
            for _ in range(max(1, math.ceil((GROWTH - 1) * session.steps))):
                session.step()
                lab.check_time()
            for k, loss in enumerate(evaluator.score().loss):
                if k not in arrived and loss <= pilot.target.value:
                    arrived[k] = session.network.replica(k), session.steps, float(loss)
                    there[runs[k][0]] += 1
        best = max(rates, key=lambda lr: (there[lr], -sum(arrived[k][1] for k in arrived if runs[k][0] == lr)))
        endings = []
        for k, (lr, seed) in enumerate(runs):
            if lr != best:
                continue
            lab.check_time()
            if k not in arrived:
                endings.append(Ending(b, lr, seed, session.steps, False, *(4 * (math.nan,))))
            else:
                network, steps, loss = arrived[k]
                nothing = math.nan, math.nan, math.nan
                endings.append(Ending(b, lr, seed, steps, False, loss, *nothing, extra=sharpness_of(network, trial)))
        return endings
