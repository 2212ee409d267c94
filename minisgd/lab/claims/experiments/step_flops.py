"""The arithmetic of a step, counted from its recorded program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.lab import Lab
from minisgd.typing import HostArray


@dataclass(frozen=True)
class StepFlops:
    """FLOPs of an update, of gradient and optimizer together.  batch_sizes (K,), flops (K,)"""

    batch_sizes: tuple[int, ...]
    flops: HostArray


@dataclass(frozen=True)
class CountFlops(Experiment[StepFlops]):
    """Record one update at every batch size and add its lines up; a multiply-add is two FLOPs."""

    batch_sizes: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return "-".join(["sgd-flops", *map(str, self.batch_sizes)])

    def seconds(self, lab: Lab) -> float:
        return 0.01 * len(lab.within(lab.trial(), self.batch_sizes))

    def run(self, lab: Lab) -> StepFlops:
        trial = lab.trial()
        sizes = lab.within(trial, self.batch_sizes)
        return StepFlops(sizes, np.array([trial.flops(b) for b in sizes]))
