"""The few types that every floor shares."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""An array on some device: numpy.ndarray, or the cupy.ndarray that answers to the same methods."""

HostArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""An array in host memory, always numpy.ndarray."""

Shape: TypeAlias = tuple[int, ...]

Seed: TypeAlias = int

Generator: TypeAlias = np.random.Generator
