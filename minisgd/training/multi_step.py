"""Several updates in one launch: the device then needs nothing from the host in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minisgd.backend import Program
from minisgd.optim.optimizer import FLUSH_EVERY
from minisgd.training.session import Session
from minisgd.typing import Array, HostArray


class MultiStepSession(Session):
    """A session for a device on which launching work costs more time than the work.

    The host draws the batches of the coming updates and looks up their learning rates; both go into tables on
    the device, K rows each. A program of one update begins by taking its row, and counts the rows taken:

    i ← indices[step]   lr ← rates[step]   step ← step + 1   then gather, gradient, update

    so K of them in a row are one program too. On a GPU each is a single launch.
    """

    def advance(self, until: Callable[[], bool]) -> None:
        """Take updates, at most K and at least one, and none after which ``until`` holds is passed."""
        b, n = self._draw(until)
        gather, _, index = self._gradient(b)
        if self.recipe.feed.shared:
            self._gather_shared(gather, b, index)
        else:
            self._upload_rows("indices", self._largest_index(), self._indices[:n])
        self._upload_rows("rates", self.lr_array, self._rates[:n])
        self.ops.upload(0, out=self._step)
        one, several = self._updates(b)
        if n == self.recipe.steps_per_launch:
            several.replay()
        else:
            for _ in range(n):
                one.replay()
        if self.steps % FLUSH_EVERY == 0:
            self._flush.replay()

    def _draw(self, until: Callable[[], bool]) -> tuple[int, int]:
        """Draw batches of one size b for the coming n updates; return b and n."""
        b = self._coming()
        self._indices = np.zeros((self.recipe.steps_per_launch, self.replicas, self.recipe.batch_size), np.int64)
        self._rates = np.empty((self.recipe.steps_per_launch, self.replicas), self.network.dtype)
        for k in range(self.recipe.steps_per_launch):
            if k and self._coming() != b:
                return b, k
            self._indices[k, :, :b] = self.sampler.next(self.size)
            self._rates[k] = self.lr * self.lr_factors
            self.steps += 1
            self.examples += b
            self._loss_count += b
            if until() or self.steps % FLUSH_EVERY == 0:
                return b, k + 1
        return b, self.recipe.steps_per_launch

    def _coming(self) -> int:
        """Look up batch size and learning rate of the next update; return the examples that it will have."""
        if not self._settled:
            self._look_up_schedules()
        sampler = self.sampler
        left = sampler.left if sampler.batches_left(self.size) else sampler.n
        return min(self.size, left)

    def _upload_rows(self, name: str, row: Array, values: HostArray) -> None:
        """Write the first rows of a table."""
        n = len(values)
        self.ops.upload(values.reshape(n, *row.shape), out=self._table(name, row)[:n])

    def _largest_index(self) -> Array:
        """Return the array of indices for the largest batch, of which a short one fills the beginning of each row.

        Kernels copy full rows: with replicas, those of a short batch do not follow one another in memory.
        """
        return self.recipe.feed.index(self.arena, self.recipe.batch_size, self.network.lead)

    def keep(self, rows: Any) -> None:
        self.ops.synchronize()  # no program may go while it runs
        super().keep(rows)

    # ------------------------------------------------ on the device

    def _table(self, name: str, row: Array) -> Array:
        """Return a table of K rows, each in the shape of an array that it is copied to."""
        storage = self.arena.storage[self.recipe.multi_step_requests()[name].key]
        flat: Array = storage.reshape(-1)[: self.recipe.steps_per_launch * row.size]
        return flat.reshape(self.recipe.steps_per_launch, *row.shape)

    @property
    def _step(self) -> Array:
        return self.arena.view(self.recipe.multi_step_requests()["step"], ())

    def _updates(self, b: int) -> tuple[Program, Program]:
        """Return the programs of one update and of K, for batches of b examples."""
        if b not in self._joined:
            gather, gradient, _ = self._gradient(b)
            ops, step = self.ops, self._step
            rates, indices = (self._table("rates", self.lr_array), self.lr_array), None
            if not self.recipe.feed.shared:
                index = self._largest_index()
                indices = self._table("indices", index), index
            with ops.record() as take, ops.scope("gather", "step"):
                ops.take_next(step, rates, indices)
            # a batch that all replicas share is gathered once, before the first update
            gathered = [] if self.recipe.feed.shared else [gather]
            one = ops.join(take, *gathered, self.interpolation, gradient, self._update(b))
            self._joined[b] = one, ops.join(*[one] * self.recipe.steps_per_launch)
        return self._joined[b]

    def _forget_programs(self) -> None:
        super()._forget_programs()
        self._joined: dict[int, tuple[Program, Program]] = {}
