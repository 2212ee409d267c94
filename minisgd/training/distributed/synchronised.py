"""A rank some of whose layers normalise over the whole batch: its shards advance side by side, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from minisgd.backend import Program
from minisgd.errors import ShapeError
from minisgd.nn.layers.sync_batch_norm import ALL_REDUCE, SyncBatchNorm
from minisgd.nn.lending import lend
from minisgd.training.distributed.session import DistributedSession
from minisgd.training.distributed.tree import pairwise_sum
from minisgd.training.feeds.feed import DeviceData
from minisgd.training.recipe import shard_prefix
from minisgd.typing import Array, HostArray


@dataclass(frozen=True)
class Shard:
    """An own shard of a batch, in memory of its own.

    examples: of the batch   pieces: of its gradient program, cut where all shards are added up   sums: what is added
    up after each piece but the last
    """

    examples: slice
    index: Array
    data: DeviceData
    gather: Program
    pieces: list[Program]
    sums: list[Array]
    gradient: Array
    statistics: Array


class SynchronisedSession(DistributedSession):
    """A session of ranks in which SyncBatchNorm adds up over all shards of a batch.

    It does so in the middle of a recorded program, which is cut there. All own shards come to the end of a piece, what
    they have summed is added up among all ranks, then all begin the next piece. So the activations of all of them are
    in memory at once.
    """

    def record_parts(self, b: int) -> None:
        self._side_by_side(b)

    def _side_by_side(self, b: int) -> list[Shard]:
        """Return the own shards of a batch of b examples, recorded from the last to the first, whose memory is plain.

        Raises:
            ShapeError: If there are more shards than examples.
        """
        if b not in self._recorded:
            if b < self.ranks.shards:
                raise ShapeError(
                    "SyncBatchNorm: x",
                    expected=f"a batch of at least {self.ranks.shards} examples, one for each shard",
                    got=b,
                    fix="use a larger batch, or drop the short last batch (last_batch='drop')",
                )
            for layer in self.network.walk():
                if isinstance(layer, SyncBatchNorm):
                    lend(layer, "all_examples", b)
            backwards = [self._record_shard(k, b) for k in reversed(range(len(self.ranks.own)))]
            self._recorded[b] = backwards[::-1]
        return self._recorded[b]

    def _record_shard(self, k: int, b: int) -> Shard:
        with self._memory_of(k):
            examples = self.ranks.examples(self.ranks.own[k], b)
            gather, gradient, index = self.record_gradient(examples.stop - examples.start)
            pieces, sums = self.ops.split(gradient, ALL_REDUCE)
            flat = self.gradient, self.network.statistics
            return Shard(examples, index, self.data, gather, pieces, sums, *flat)

    @contextmanager
    def _memory_of(self, k: int) -> Iterator[None]:
        """Inside this block, record into the memory of own shard k."""
        net, fixed = self.network, self.recipe.fixed_requests()
        outer = self.arena, self.data, self.gradient, net.statistics
        if k:
            self.arena = self.arena.part(shard_prefix(k))
            self.data = self.data.arriving_in(self.ops, self.arena)
            self.gradient = self.arena.view(fixed["gradient"], net.lead)
            net.statistics = self.arena.view(fixed["statistics"], net.lead)
        try:
            yield
        finally:
            self.arena, self.data, self.gradient, net.statistics = outer

    def _shards(self, index: HostArray, losses: HostArray) -> Iterator[Array]:
        ops, b = self.ops, index.shape[-1]
        shards = self._side_by_side(b)
        self.held = shards[0].examples.stop - shards[0].examples.start
        for shard, s in zip(shards, self.ranks.own, strict=True):
            self._begin_shard(s)
            shard.data.choose(ops, index[:, shard.examples], out=shard.index)
            shard.gather.replay()
            ops.copy(self.before, out=shard.statistics)
        for piece in range(len(shards[0].pieces)):
            for k, (shard, s) in enumerate(zip(shards, self.ranks.own, strict=True)):
                self._begin_shard(s)
                shard.pieces[piece].replay()
                losses[k] += float(ops.to_host(self.loss_sum))
            if piece < len(shards[0].sums):
                self._add_up([shard.sums[piece] for shard in shards])
        for k, shard in enumerate(shards):
            out, gradient, statistics = self._vector(k)
            share = (shard.examples.stop - shard.examples.start) / b
            ops.multiply(shard.gradient, share, out=gradient)
            ops.multiply(shard.statistics, share, out=statistics)
            yield out

    def _add_up(self, arrays: list[Array]) -> None:
        """Write the sum over the shards of all ranks into each of these arrays of the own ones."""
        ops, ranks = self.ops, self.ranks
        total = pairwise_sum(self._add, arrays)
        if ranks.size > 1:
            received = self.exchanged[: ranks.size * total.size].reshape(ranks.size, *total.shape)
            ops.synchronize()
            ranks.all_gather(total, out=received)
            total = pairwise_sum(self._add, received)
        for array in arrays:
            if array is not total:
                ops.copy(total, out=array)

    def _forget_programs(self) -> None:
        super()._forget_programs()
        self._recorded: dict[int, list[Shard]] = {}
        self.exchanged = self.arena.view(self.recipe.shared_requests()["exchanged"], ())
