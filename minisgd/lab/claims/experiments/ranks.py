"""Training on several ranks, simulated: each computes its part of the batch, and all add up their gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minisgd.errors import MissingExtraError
from minisgd.lab.claims.experiment import Experiment, Unsuitable
from minisgd.lab.claims.experiments.clocked import Clocked
from minisgd.lab.claims.experiments.measured import StepTimes
from minisgd.lab.claims.experiments.three_axes import seconds_to_target
from minisgd.lab.claims.experiments.to_target import TargetRuns
from minisgd.lab.claims.lab import Lab
from minisgd.lab.study.fit import fit_steps
from minisgd.lab.study.ranks import simulate_ranks
from minisgd.lab.timing.all_reduce import AllReduce, measure_all_reduce
from minisgd.lab.timing.fit import fit_step_time
from minisgd.typing import HostArray

RANKS = (1, 8, 64)


@dataclass(frozen=True)
class Exchange:
    """How long ranks take to add up their gradients, of so many bytes each."""

    all_reduce: AllReduce
    gradient_bytes: int


@dataclass(frozen=True)
class TimeExchange(Experiment[Clocked[Exchange]]):
    """Time two ranks of this machine that add up vectors."""

    alone: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return "sgd-exchange"

    def seconds(self, lab: Lab) -> float:
        return 2.0

    def run(self, lab: Lab) -> Clocked[Exchange]:
        try:
            found = measure_all_reduce()
        except MissingExtraError:
            raise Unsuitable("it needs ranks to be timed: pip install 'minisgd[mpi]'") from None
        gradient_bytes = lab.trial().prepare(1, [0]).recipe.network.vector.nbytes
        by_clock, by_processor = (Exchange(each, gradient_bytes) for each in (found, found.unhindered()))
        return Clocked(by_clock, by_processor, found.cpu_share)


@dataclass(frozen=True)
class RankTimes:
    """Seconds to target against the number of ranks, simulated.

    ranks (R,) from 1; fixed_global (R, S): with one batch size divided among the ranks; fixed_each (R, S): with one
    batch size on every rank
    """

    ranks: tuple[int, ...]
    fixed_global: HostArray
    fixed_each: HostArray


def rank_times(runs: TargetRuns, times: StepTimes, exchange: Exchange) -> RankTimes:
    """Simulate ranks for every seed, from the batch size that is fastest on one rank."""
    sizes, steps = runs.batch_sizes, runs.best_steps
    fastest = int(np.median(seconds_to_target(runs, times), axis=1).argmin())
    line = fit_step_time(times.batch_sizes, np.median(times.seconds, axis=0))
    tables = np.full((2, len(RANKS), runs.seeds), math.nan)
    for s in range(runs.seeds):
        fit = fit_steps(sizes, steps[:, s])
        if fit is not None and line is not None:
            exchanged = exchange.all_reduce, exchange.gradient_bytes
            found = simulate_ranks(RANKS, sizes[fastest], fit, line, *exchanged)
            tables[:, :, s] = found.divided, found.grown
    return RankTimes(RANKS, *tables)
