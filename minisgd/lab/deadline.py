"""An event that is also set when a time has come."""

from __future__ import annotations

import math
from threading import Event
from time import perf_counter


class Deadline(Event):
    """Asks whoever works to stop: when it is set, and from a time on.

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
    def left(self) -> float:
        """Seconds until then, not negative."""
        return max(0.0, self.until - perf_counter())
