"""Batch normalisation over the whole batch, where ranks share it."""

from __future__ import annotations

from minisgd.backend import Ops
from minisgd.nn.layers.batch_norm import BatchNorm
from minisgd.typing import Array

ALL_REDUCE = "all_reduce"
"""The operation by which a recorded program says: here an array becomes the sum of those of all shards of the batch."""


class SyncBatchNorm(BatchNorm):
    """Batch normalisation over the batch of all ranks (``torch.nn.SyncBatchNorm``); BatchNorm takes each shard apart.

    Of a batch of B examples in shards s of n_s examples each, with means taken over the values of a channel,

        μ = Σ_s n_s/B · mean_s(x)    σ² = Σ_s n_s/B · mean_s((x − μ)²)

    and likewise what backward sums up. Each is an all-reduce of a number per channel, four in a step, in the order of a
    binary tree over the shards. In a single process it is BatchNorm.

    Args:
        momentum: As of BatchNorm.
        eps: ε, positive.
        affine: Whether γ and β are learned.
        name: Of the layer.

    Raises:
        ArgumentError: If a number is outside its interval.
    """

    all_examples: int | None = None
    """B, where shards of a batch are computed apart."""

    def __init__(
        self, *, momentum: float | None = None, eps: float = 1e-5, affine: bool = True, name: str | None = None
    ) -> None:
        super().__init__(momentum=momentum, eps=eps, affine=affine, name=name)

    @property
    def batch(self) -> int:
        return self.all_examples or super().batch

    def _average(self, ops: Ops, *statistics: Array) -> None:
        """a ← Σ_s n_s/B a_s"""
        if self.all_examples is not None:
            for a in statistics:
                ops.multiply(a, super().batch / self.batch, out=a)
                ops.run(ALL_REDUCE, _between_programs, (), (a,), a)

    def update_running(self, ops: Ops, mean: Array, var: Array, n: int) -> None:
        """Take the statistics of all shards into the running averages."""
        super().update_running(ops, mean, var, n // super().batch * self.batch)


def _between_programs() -> None:
    """Stand for what no program does: a program is cut here, and whoever replays the parts adds up in between."""
