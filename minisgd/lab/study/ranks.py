"""What training on n ranks would take: a simulation, from the measured times of a step and of an all-reduce.

A rank computes its share b of the batch, waits for the sum of the gradients, and updates: t0 + b/r + T(n) seconds.
How many steps that takes is S(B) = Smin + Emin/B, for the batch B of all ranks together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minisgd.checks import as_items, is_integer
from minisgd.errors import ArgumentError
from minisgd.lab import words
from minisgd.lab.study.fit import StepsFit
from minisgd.lab.timing.all_reduce import AllReduce
from minisgd.lab.timing.fit import StepTimeFit


@dataclass(frozen=True)
class SimulatedRanks:
    """Seconds to target against the number of ranks, from a simulation.

    Attributes:
        ranks: Numbers of ranks, ascending from 1.
        batch_size: B of a single rank, where both ways begin.
        divided: Seconds to target where all ranks share one batch of B.
        grown: Seconds to target where each has a batch of B.
        all_reduce: Seconds in which the ranks add up their gradients.
        knee: Ranks with B each whose batch together is the critical batch size: beyond, more save little.
    """

    ranks: tuple[int, ...]
    batch_size: int
    divided: tuple[float, ...]
    grown: tuple[float, ...]
    all_reduce: tuple[float, ...]
    knee: float

    def __str__(self) -> str:
        most = self.ranks[-1]
        grown, divided = (words.count(way[0] / way[-1]) for way in (self.grown, self.divided))
        text = (
            "A simulation, not a measurement: steps from the fit, the time of a step from this machine, and that of an "
            f"all-reduce from two ranks on it ({words.seconds(self.all_reduce[-1])} on {most}). With a batch of "
            f"{self.batch_size} on each, {most} ranks are {grown} times as fast as one; with that batch divided among "
            f"them, {divided} times."
        )
        if self.knee < most:
            few = "one rank" if self.knee < 2 else f"{words.size(self.knee)} ranks"
            text += f" Beyond {few} their batch is larger than Bcrit = Emin/Smin, and more of them save few steps."
        return text


def simulate_ranks(
    ranks: Sequence[int], batch_size: int, fit: StepsFit, line: StepTimeFit, all_reduce: AllReduce, gradient_bytes: int
) -> SimulatedRanks:
    """Simulate training on numbers of ranks, from the batch size of one."""
    waits = [all_reduce.seconds(n, gradient_bytes) for n in ranks]
    shares = [max(1.0, batch_size / n) for n in ranks]
    divided = [float(fit.steps(batch_size) * (line.seconds(b) + t)) for b, t in zip(shares, waits, strict=True)]
    grown = [
        float(fit.steps(batch_size * n) * (line.seconds(batch_size) + t)) for n, t in zip(ranks, waits, strict=True)
    ]
    knee = max(1.0, fit.b_crit / batch_size)
    return SimulatedRanks(tuple(ranks), batch_size, tuple(divided), tuple(grown), tuple(waits), knee)


def resolve_ranks(ranks: Sequence[int] | None) -> tuple[int, ...]:
    """Return the numbers of ranks to simulate, ascending from 1; none where none were asked for.

    Raises:
        ArgumentError: For what is no positive integer.
    """
    if ranks is None:
        return ()
    for n in as_items(ranks, "ranks", "positive integers", "write [1, 8, 64]"):
        if not is_integer(n) or n < 1:
            raise ArgumentError("ranks", expected="positive integers", got=n, fix="write [1, 8, 64]")
    return tuple(sorted({1, *ranks}))
