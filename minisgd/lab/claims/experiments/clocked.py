"""What was timed, by the clock and by the processor: where the two disagree, others at work decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from minisgd.lab.timing.clock import StepTimes
from minisgd.typing import HostArray

Result = TypeVar("Result")

BUSY = 0.9
"""Share of the processor below which a machine was at work for others while it was timed."""


@dataclass(frozen=True)
class Clocked(Generic[Result]):
    """The result of every experiment that reads a clock: a claim is judged by both, and not decided if they differ.

    by_processor: from the seconds that the processor worked: those of a machine without others, but for its caches
    share: of the processor, that was had meanwhile; 1 where that says nothing, as a GPU computes while it waits
    """

    by_clock: Result
    by_processor: Result
    share: float

    @classmethod
    def of(cls, make: Callable[[HostArray], Result], taken: StepTimes, device: str) -> Clocked[Result]:
        """Make a result from seconds, and again from those that the processor worked."""
        return cls(make(taken.wall), make(taken.worked), taken.cpu_share if device == "cpu" else 1.0)

    @property
    def busy(self) -> bool:
        """Whether others had so much of the processor that seconds may mislead."""
        return self.share < BUSY
