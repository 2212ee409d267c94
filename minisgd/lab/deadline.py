"""An event that is also set when a time has come."""

from __future__ import annotations

import math
from threading import Event
from time import perf_counter, time
from typing import Any


class Deadline(Event):
    """Asks whoever works to stop: when it is set, and from a time on.

    In another process, where a pickle has brought it, only the time counts.

    Attributes:
        until: The time, by time.perf_counter.
    """

    def __init__(self, until: float = math.inf) -> None:
        super().__init__()
        self.until = until

    def is_set(self) -> bool:
        """Return whether it was set, or the time has come."""
        return super().is_set() or perf_counter() >= self.until

    @property
    def asked(self) -> bool:
        """Whether it was set, however late it is."""
        return super().is_set()

    @property
    def left(self) -> float:
        """Seconds until then, not negative."""
        return max(0.0, self.until - perf_counter())

    def __reduce__(self) -> tuple[Any, ...]:
        return _at, (time() + self.left,)  # time.perf_counter differs between machines


def _at(time_of_day: float) -> Deadline:
    return Deadline(perf_counter() + time_of_day - time())
