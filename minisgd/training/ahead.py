"""Several updates told to the device at once: it then needs nothing of the host in between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minisgd.backend import Program
from minisgd.optim.optimizer import FLUSH_EVERY
from minisgd.training.session import Session
from minisgd.typing import Array


class AheadSession(Session):
    """A session for a device that is slow to be told things and quick to do them.

    The host draws the batches of the coming updates and looks up their learning rates; both go into tables on
    the device, K rows each. A program of one update begins by taking its row, and counts the rows taken:

    i ← indices[turn]   lr ← rates[turn]   turn ← turn + 1   then gather, gradient, update

    so K of them in a row are one program too. On a GPU each is a single launch.
    """

    def advance(self, until: Callable[[], bool]) -> None:
        """Take updates, at most K and at least one, and none after which ``until`` holds is passed."""
        b, n = self._draw(until)
        feed, ops = self.recipe.feed, self.ops
        if not feed.shared:
            ops.upload(self._indices[:n], out=self._table("indices", b)[:n])
        elif self._shared_batch != b:
            gather, _, index = self._gradient(b)
            self.data.choose(ops, np.arange(b), out=index)
            gather.replay()
            self._shared_batch = b
        ops.upload(self._rates[:n], out=self._table("rates", 1)[:n])
        ops.upload(0, out=self._turn)
        one, all_of_them = self._updates(b)
        if n == self.recipe.ahead:
            all_of_them.replay()
        else:
            for _ in range(n):
                one.replay()
        if self.steps % FLUSH_EVERY == 0:
            self._flush().replay()

    def _draw(self, until: Callable[[], bool]) -> tuple[int, int]:
        """Draw batches of one size b for the coming n updates; return b and n."""
        b = self._coming()
        self._indices = np.empty((self.recipe.ahead, self.replicas * b), np.int64)
        self._rates = np.empty((self.recipe.ahead, self.replicas), self.network.dtype)
        for k in range(self.recipe.ahead):
            if k and self._coming() != b:
                return b, k
            self._indices[k] = self.sampler.next(self.size).reshape(-1)
            self._rates[k] = self.lr * self.lr_factors
            self.steps += 1
            self.examples += b
            self._loss_count += b
            if until() or self.steps % FLUSH_EVERY == 0:
                return b, k + 1
        return b, self.recipe.ahead

    def _coming(self) -> int:
        """Look up batch size and learning rate of the next update; return the examples that it will have."""
        if not self._settled:
            self._look_up_schedules()
        sampler = self.sampler
        left = sampler.left if sampler.batches_left(self.size) else sampler.n
        return min(self.size, left)

    # ------------------------------------------------ on the device

    def _table(self, name: str, columns: int) -> Array:
        """Return a table of K rows, each with so many columns for every replica."""
        storage = self.arena.storage[self.recipe.ahead_requests()[name].key]
        table: Array = storage.reshape(-1)[: self.recipe.ahead * self.replicas * columns]
        return table.reshape(self.recipe.ahead, self.replicas * columns)

    @property
    def _turn(self) -> Array:
        return self.arena.view(self.recipe.ahead_requests()["turn"], ())

    def _updates(self, b: int) -> tuple[Program, Program]:
        """Return the programs of one update and of K, for batches of b examples."""
        if b not in self._joined:
            gather, gradient, index = self._gradient(b)
            ops, turn = self.ops, self._turn
            with ops.record() as take, ops.scope("gather", "turn"):
                if not self.recipe.feed.shared:
                    ops.take(self._table("indices", b), turn, out=index.reshape(1, -1))
                ops.take(self._table("rates", 1), turn, out=self.lr_array.reshape(1, -1))
                ops.add(turn, 1, out=turn)
            parts = (
                [take, gradient, self._update()]
                if self.recipe.feed.shared
                else [take, gather, gradient, self._update()]
            )
            one = ops.join(*parts)
            self._joined[b] = one, ops.join(*[one] * self.recipe.ahead)
        return self._joined[b]

    def _forget_programs(self) -> None:
        super()._forget_programs()
        self._joined: dict[int, tuple[Program, Program]] = {}
