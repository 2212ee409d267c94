"""A training run of which this process is one rank."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minisgd.training.distributed.tree import pairwise_sum
from minisgd.training.session import Session
from minisgd.typing import Array, HostArray


class DistributedSession(Session):
    """A session that computes its own shards of every batch; the update is that of the sum over all ranks' shards.

    A batch of b examples is cut into S shards. Shard s has n_s of them and makes a vector

        v_s = n_s/b · (gradient of the mean loss of the shard, running statistics after it)    (P + Q,)

    from the weights and statistics that all shards begin with. Every rank ends with Σ_s v_s, added up as a binary tree
    over s: it adds up its own shards, sends a slice of the sum to every rank (all-to-all), adds up the slices that it
    gets, and sends the result to all (all-gather). That is an all-reduce, of 2(P + Q) numbers a rank.
    """

    def compute_gradient(self, index: HostArray) -> Array:
        """Compute the gradient of the mean loss over a batch, together with the other ranks.  index (1, b)"""
        ops, ranks = self.ops, self.ranks
        self._loss_count += index.shape[-1]
        loss = float(ops.to_host(self.loss_sum))
        ops.copy(self.network.statistics, out=self.before)
        losses = np.zeros(len(ranks.own))
        total = pairwise_sum(self._add, self._shards(index, losses))  # (n, slice), from here on of all own shards
        if ranks.size > 1:
            ops.synchronize()
            ranks.all_to_all(total, out=self.received)
            added = pairwise_sum(self._add, self.received)
            ops.synchronize()
            ranks.all_gather(added, out=total)
        ops.copy(self.joined[self.total.size :], out=self.network.statistics)
        # every shard's loss on its own, so that their sum, too, is the same whichever rank has computed them
        ops.upload(loss + float(ranks.gather(losses).sum()), out=self.loss_sum)
        return self.total

    def _shards(self, index: HostArray, losses: HostArray) -> Iterator[Array]:
        """Compute own shards as they are asked for, each into the next vector that no waiting sum is in."""
        ops, net, b, micro = self.ops, self.network, index.shape[-1], self.recipe.micro_batch
        for k, s in enumerate(self.ranks.own):
            out, gradient, statistics = self._vector(k)
            part = index[:, self.ranks.examples(s, b)]
            self._begin_shard(s)
            ops.copy(self.before, out=net.statistics)
            for start in range(0, part.shape[-1], micro):
                piece = part[:, start : start + micro]
                self._replay(piece, piece.shape[-1])
                ops.multiply(self.gradient, piece.shape[-1] / b, out=self.gradient)
                ops.add(gradient, self.gradient, out=gradient)
            ops.multiply(net.statistics, part.shape[-1] / b, out=statistics)
            losses[k] = float(ops.to_host(self.loss_sum))
            yield out

    def _vector(self, k: int) -> tuple[Array, Array, Array]:
        """Return the vector for own shard k, of zeros, and its parts: of the gradient, and of the statistics."""
        out = self.sums[k.bit_count()]
        flat = out.reshape(-1)
        self.ops.fill(0.0, out=flat)
        return out, flat[: self.total.size], flat[self.total.size : self.joined.size]

    def _begin_shard(self, s: int) -> None:
        """Set the clock of shard s, whose micro-batches have random numbers of their own, and its loss."""
        draws = -(-self.recipe.batch_size // self.recipe.micro_batch)  # micro-batches of a shard, at most
        self.ops.upload((self.steps * self.ranks.shards + s) * draws, out=self.clock)
        self.ops.upload(0.0, out=self.loss_sum)

    def _add(self, left: Array, right: Array) -> Array:
        self.ops.add(left, right, out=left)
        return left

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        return self.ranks.agree(flags)

    @property
    def waits(self) -> bool:
        return True

    def record_parts(self, b: int) -> None:
        for n in {b // self.ranks.shards, -(-b // self.ranks.shards)} - {0}:
            super().record_parts(n)

    def _forget_programs(self) -> None:
        super()._forget_programs()
        recipe, net = self.recipe, self.network
        assert recipe.communicator is not None
        self.ranks = recipe.communicator
        arrays = {name: self.arena.view(request, ()) for name, request in recipe.shared_requests().items()}
        self.sums, self.received, self.before = arrays["total"], arrays["received"], arrays["before"]
        self.joined = self.sums[0].reshape(-1)[: net.layout.size + net.statistics_layout.size]  # total is its beginning
