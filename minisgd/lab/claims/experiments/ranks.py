"""Training on several ranks: each computes the gradient of its part of the batch, and all add them up."""

from __future__ import annotations

from dataclasses import dataclass

from minisgd.lab.claims.experiment import Experiment, Unsuitable
from minisgd.lab.claims.lab import Lab
from minisgd.typing import HostArray


@dataclass(frozen=True)
class RankTimes:
    """Seconds to target against the number of ranks.

    ranks (R,) from 1; fixed_global (R, S): with one batch size divided among the ranks; fixed_each (R, S): with one
    batch size on every rank
    """

    ranks: tuple[int, ...]
    fixed_global: HostArray
    fixed_each: HostArray


@dataclass(frozen=True)
class TrainOnRanks(Experiment[RankTimes]):
    """Train to the same target on one, two and four ranks."""

    @property
    def name(self) -> str:
        return "ranks"

    def seconds(self, lab: Lab) -> float:
        return 0.0

    def run(self, lab: Lab) -> RankTimes:
        raise Unsuitable("it needs several ranks, which this version does not have")
