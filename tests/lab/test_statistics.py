from __future__ import annotations

import math

import numpy as np

from minisgd.lab.statistics import intervals, percentiles

INF = math.inf


def test_percentiles_never_mix_elements():
    low, high = percentiles(np.array([1.0, 2, INF, INF]), level=0.5)
    assert (low, high) == (1, INF)
    low, high = percentiles(np.arange(1001.0)[::-1])
    assert (low, high) == (25, 975)


def test_intervals_are_those_of_the_columns():
    sample = np.stack([np.arange(1001.0), np.full(1001, 3.0)], axis=1)
    assert intervals(sample) == [(25.0, 975.0), (3.0, 3.0)]
