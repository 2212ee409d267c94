"""Several updates in a row without Python in between, on a device that shares the host's memory."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from minisgd.backend import Program
from minisgd.optim.optimizer import FLUSH_EVERY
from minisgd.training.session import Session
from minisgd.typing import Array

RESPONSE = 0.05
"""Seconds after which Python gets a turn: to notice an interrupt, and to move a progress bar."""


class ConsecutiveStepsSession(Session):
    """A session whose update is replayed many times in a row, each time on the next batch.

    One program gathers a batch, computes its gradient and moves the weights. The batches of an epoch follow one another
    in the order that the sampler has drawn, so the indices of n of them are a table that is there already; learning
    rates that change come as a table of n rows. The executor copies a row of each before every replay.
    """

    def advance(self, until: Callable[[], bool]) -> None:
        """Take updates, as many as fit into the response time, and none after which ``until`` holds is passed."""
        begun = perf_counter()
        self._follow_schedules()
        b, sampler = self.sampler.coming(self.size), self.sampler
        most = min(FLUSH_EVERY - self.steps % FLUSH_EVERY, sampler.drawn(b), self._affordable())
        inputs: list[tuple[Array, Array]] = []
        if self._settled:
            n = self._count(b, most, until)
        else:
            rates = self._look_up_rates(b, most, until)
            n = len(rates)
            table = np.multiply.outer(rates, self.lr_factors).astype(self.network.dtype)
            inputs.append((table.reshape(n, *self.lr_array.shape), self.lr_array))
        sampler.skip(-n * b)
        order = sampler.next(n * b)  # (R, n b)
        update, gather, index = self._full_update(b)
        if self.recipe.feed.shared:
            self._gather_shared(gather, b, index)
        else:
            inputs.append((order.reshape(-1, n, b).swapaxes(0, 1).reshape(n, *index.shape), index))
        self.held = b
        # a training run of its own ends where its loss is not finite; a stack goes on, for the sake of the others
        done = update.replay(n, inputs, watched=None if self.network.lead else self.loss_sum)
        self._move(done - n, b)
        self._loss_count += done * b
        if self.steps % FLUSH_EVERY == 0:
            self._flush.replay()
        self._pace = (perf_counter() - begun) / done

    def _affordable(self) -> int:
        """Return how many updates fit into the response time, at the pace of the last ones; at first, one."""
        return max(1, int(RESPONSE / self._pace)) if self._pace else 1

    # ------------------------------------------------ how many updates

    def _count(self, b: int, most: int, until: Callable[[], bool]) -> int:
        """Count on to the first update after which ``until`` holds, found by bisection; return how many they are."""
        start = self.steps

        def holds_after(n: int) -> bool:
            self._move(n - (self.steps - start), b)
            return until()

        if holds_after(1) or most == 1:
            return 1
        if not holds_after(most):
            return most
        low, high = 1, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds_after(middle) else (middle, high)
        holds_after(high)
        return high

    def _look_up_rates(self, b: int, most: int, until: Callable[[], bool]) -> list[float]:
        """Count on for as long as the batch size stays and ``until`` does not hold; return the learning rates."""
        rates = [self.lr]
        self._move(1, b)
        while len(rates) < most and not until():
            self._look_up_schedules()
            if self.size != b:
                break
            rates.append(self.lr)
            self._move(1, b)
        return rates

    def _move(self, updates: int, b: int) -> None:
        """Count so many updates more, or fewer."""
        self.steps += updates
        self.examples += updates * b
        self.sampler.skip(updates * b)

    # ------------------------------------------------ recording

    def _full_update(self, b: int) -> tuple[Program, Program, Array]:
        """Return the program of an update, that of gathering and the indices."""
        if b not in self._updates:
            gather, gradient, index = self._gradient(b)
            gathered = [] if self.recipe.feed.shared else [gather]
            update = self.ops.join(*gathered, self.interpolation, gradient, self._update(b))
            update.forget_calls()
            del self._gradients[b]  # recorded again should a single step be asked for
            self._updates[b] = update, gather, index
        return self._updates[b]

    def _forget_programs(self) -> None:
        super()._forget_programs()
        self._updates: dict[int, tuple[Program, Program, Array]] = {}
        self._pace = 0.0
