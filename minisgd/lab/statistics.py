"""Intervals from resamples, for whatever is measured."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from minisgd.typing import HostArray

Interval: TypeAlias = tuple[float, float]
"""The two ends of an interval."""

RESAMPLES = 1000
LEVEL = 0.95


def percentiles(sample: HostArray, level: float = LEVEL) -> tuple[HostArray, HostArray]:
    """Return the two ends of the central `level` of a sample along axis 0, each an element of it.

    No interpolation between elements, which may be infinite: halfway to infinity is infinity, and infinity minus
    infinity is not a number.
    """
    ordered = np.sort(sample, axis=0)
    last, tail = len(ordered) - 1, (1 - level) / 2
    return ordered[math.floor(tail * last)], ordered[math.ceil((1 - tail) * last)]


def intervals(sample: HostArray) -> list[Interval]:
    """Return the interval of every column.  sample (resamples, K)"""
    low, high = percentiles(sample)
    return list(zip(low.tolist(), high.tolist(), strict=True))
