"""What else is timed on single networks: powers of two against their neighbours, and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from minisgd.lab.claims.experiment import Experiment, Unsuitable
from minisgd.lab.claims.experiments.clocked import Clocked
from minisgd.lab.claims.lab import Lab
from minisgd.lab.instruments.throughput.latency import describe, time_calls
from minisgd.lab.instruments.throughput.pairs import PowersOfTwo, compare, time_builds
from minisgd.lab.instruments.throughput.speed import Speed

POWERS = (8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class ComparePowers(Experiment[Clocked[PowersOfTwo]]):
    """Time steps at powers of two and one example to either side, in random order."""

    alone: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return "sgd-powers-of-two"

    def seconds(self, lab: Lab) -> float:
        return 0.8 * len(self._powers(lab))

    def run(self, lab: Lab) -> Clocked[PowersOfTwo]:
        trial, powers = lab.trial(), self._powers(lab)
        builds = time_builds(trial.still(lab.seed), powers, lab.threads, np.random.default_rng(lab.seed))
        return Clocked.of(partial(compare, powers, examples=len(trial.data)), builds, trial.device)

    def _powers(self, lab: Lab) -> list[int]:
        n = len(lab.trial().data)
        powers = [power for power in POWERS if power < n]
        if len(powers) < 3:
            raise Unsuitable(f"{n} examples hold too few powers of two to compare")
        return powers[::2] if lab.hurried and len(powers) > 4 else powers


@dataclass(frozen=True)
class TimePredictions(Experiment[Clocked[Speed]]):
    """Time every prediction by itself, batch sizes visited in random order."""

    alone: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return "sgd-predictions"

    def seconds(self, lab: Lab) -> float:
        return 0.15 * len(self._sizes(lab))

    def run(self, lab: Lab) -> Clocked[Speed]:
        trial, sizes, rng = lab.trial(), self._sizes(lab), np.random.default_rng(lab.seed)
        calls = time_calls(trial.prepare(1, lab.seed).recipe.network, trial.data, sizes, lab.threads, rng)
        wall, worked = [each[:, 0] for each in calls], [each.min(axis=1) for each in calls]
        by_clock, by_processor = (describe(sizes, each, len(trial.data), rng) for each in (wall, worked))
        share = float(np.median([each.sum(axis=2)[:, 1] / each.sum(axis=2)[:, 0] for each in calls]))
        return Clocked(by_clock, by_processor, share if trial.device == "cpu" else 1.0)

    def _sizes(self, lab: Lab) -> tuple[int, ...]:
        return (1, *lab.held(lab.trial()))
