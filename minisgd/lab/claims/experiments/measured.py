"""What is measured on single networks, by itself: step times and memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from minisgd.backend import Plan
from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.experiments.clocked import Clocked
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.setting import Setting
from minisgd.lab.instruments.memory.fit import peak_bytes
from minisgd.lab.timing.clock import measure_steps
from minisgd.typing import HostArray


@dataclass(frozen=True)
class StepTimes:
    """Seconds of a single network's update.  batch_sizes (K,), seconds (V, K) of V visits in random order."""

    batch_sizes: tuple[int, ...]
    seconds: HostArray
    n_train: int


@dataclass(frozen=True)
class TimeSteps(Experiment[Clocked[StepTimes]]):
    """Time updates of single networks, batch sizes visited in an order drawn anew every round."""

    alone: ClassVar[bool] = True

    setting: Setting = Setting()
    batch_sizes: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return "-".join([self.setting.name, "step-times", *map(str, self.batch_sizes)])

    def seconds(self, lab: Lab) -> float:
        trial = lab.trial(self.setting)
        return 3 * lab.visit_seconds * lab.visits * len(lab.held(trial, self.batch_sizes or (1, *lab.full_sizes)))

    def run(self, lab: Lab) -> Clocked[StepTimes]:
        trial = lab.trial(self.setting)
        sizes = lab.held(trial, self.batch_sizes or (1, *lab.full_sizes))
        rng = np.random.default_rng([lab.seed, 0x71])
        prepare = trial.still(lab.seed)
        taken = measure_steps(prepare, sizes, lab.threads, rng, visits=lab.visits, seconds=lab.visit_seconds)
        return Clocked.of(partial(StepTimes, sizes, n_train=len(trial.data)), taken, trial.device)


@dataclass(frozen=True)
class Memory:
    """Bytes of a single network's update at batch_sizes (K,).

    measured (K,): the most that was allocated while a training run began and took two steps
    owners: the bytes (K,) that the plan of the step gives to parameters, gradients, activations, …
    """

    batch_sizes: tuple[int, ...]
    measured: HostArray
    owners: dict[str, HostArray]


@dataclass(frozen=True)
class MeasureMemory(Experiment[Memory]):
    """Count the bytes that are allocated for a step, and read who asked for them."""

    alone: ClassVar[bool] = True

    setting: Setting = Setting()
    batch_sizes: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return "-".join([self.setting.name, "memory", *map(str, self.batch_sizes)])

    def seconds(self, lab: Lab) -> float:
        return 0.1 * len(lab.held(lab.trial(self.setting), self.batch_sizes))

    def run(self, lab: Lab) -> Memory:
        trial = lab.trial(self.setting)
        sizes = lab.held(trial, self.batch_sizes or (1, *lab.full_sizes))
        measured, plans = [], []
        for b in sizes:
            prepared = trial.prepare(b, lab.seed)
            plans.append(Plan(prepared.recipe.requests()).bytes_by_owner())
            measured.append(peak_bytes(prepared))
        owners = {str(owner): np.array([plan[owner] for plan in plans], float) for owner in plans[0]}
        return Memory(sizes, np.array(measured, float), owners)
