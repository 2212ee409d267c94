"""Running averages of batch statistics that do not lag where updates are few."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.nn.layer import Layer
from minisgd.typing import Array


class RunningAverages(Layer):
    """A layer that keeps running averages r of the mean and the variance of its batches.

    r_mean, r_var, weight (…, 1, C)   momentum: a constant η, or None for one that counts examples   ghost: examples
    that are normalised together, or None for all
    """

    running_mean: Array
    running_var: Array
    running_weight: Array
    weight: Array
    row: Array
    momentum: float | None
    ghost: int | None

    def update_running(self, ops: Ops, mean: Array, var: Array, n: int) -> None:
        """r ← ((1 − η) w r + η s) / w′    w ← w′ = (1 − η) w + η    w = 0 at first, or 1, and then it stays 1

        mean, var (…, 1, C): the statistics s of n values per channel
        """
        eta, w, row = self.averaging_rate, self.weight, self.row
        averages = (self.running_mean, mean, eta), (self.running_var, var, eta * n / (n - 1))
        ops.multiply(self.running_weight, 1 - eta, out=w)
        for r, s, factor in averages:
            ops.multiply(r, w, out=r)
            ops.multiply(s, factor, out=row)
            ops.add(r, row, out=r)
        ops.add(w, eta, out=w)
        for r, _, _ in averages:
            ops.divide(r, w, out=r)
        ops.copy(w, out=self.running_weight)

    @property
    def averaging_rate(self) -> float:
        """η: 1 − 0.9^(n/32) for n examples that are normalised together, and 0.1 at least; or the momentum."""
        n = min(self.ghost or self.batch, self.batch)
        return 1 - 0.9 ** max(1.0, n / 32) if self.momentum is None else self.momentum

    @property
    def batch(self) -> int:
        """B: the examples of a batch."""
        return int(self.y.shape[len(self.lead)])
