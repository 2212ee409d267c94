"""Times as people write them: 90s, 5min, 1h."""

from __future__ import annotations

import math
import re

from minisgd.errors import ArgumentError

UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}


def parse_seconds(budget: float | str) -> float:
    """Return seconds from a number or text such as "90s", "5min" or "1h".

    Raises:
        ArgumentError: It cannot be read as a time.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(budget).lower())
    seconds = float(match[1]) * UNITS.get(match[2], math.nan) if match else math.nan
    if isinstance(budget, bool) or not (math.isfinite(seconds) and seconds > 0):
        raise ArgumentError("budget", expected="a time such as '90s', '5min' or '1h'", got=budget, fix="write '5min'")
    return seconds


def parse_budget(budget: float | str | None) -> float:
    """Return seconds, as ``parse_seconds`` does; infinity for None or "none".

    Raises:
        ArgumentError: It cannot be read as a time.
    """
    if budget is None or budget == "none":
        return math.inf
    return parse_seconds(budget)
