"""Features with mean 0 and standard deviation 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minisgd.typing import HostArray

_ROWS = 4096  # examples taken together, so that no float64 copy of all the features is made


@dataclass(frozen=True, eq=False)
class Standardization:
    """The map x → (x − mean) / std, kept so that new examples can be treated like the training examples.

    Args:
        mean: Mean of every feature, float64, of the shape of one example.
        std: Standard deviation of every feature, in the same way; 1 where a feature never varies.
    """

    mean: HostArray
    std: HostArray

    @classmethod
    def of(cls, x: HostArray) -> Standardization:
        """Measure examples: mean = Σ x / N, std = √(Σ (x − mean)² / N).

        Args:
            x: (N, …) features.

        Returns:
            The map that standardizes them.
        """
        total, squares = np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
        for rows in _blocks(len(x)):
            total += x[rows].sum(axis=0, dtype=np.float64)
        mean = total / len(x)
        for rows in _blocks(len(x)):
            squares += np.square(x[rows] - mean).sum(axis=0)
        # rounding of the mean must not pass for variation: a constant is told by its values
        std = np.sqrt(squares / len(x))
        std[(std == 0) | (x.min(axis=0) == x.max(axis=0))] = 1.0
        return cls(mean, std)

    def apply(self, x: HostArray) -> HostArray:
        """Return examples standardized.

        Args:
            x: (N, …) features.

        Returns:
            (N, …) in the dtype of x.
        """
        out = np.empty_like(x, subok=False)
        for rows in _blocks(len(x)):
            out[rows] = (x[rows] - self.mean) / self.std
        return out


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS) for start in range(0, n, _ROWS))
