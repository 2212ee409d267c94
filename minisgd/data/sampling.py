"""Which examples make the next batch: R replicas at once, each with its own seed."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from minisgd.checks import is_word
from minisgd.errors import ArgumentError
from minisgd.typing import Generator, HostArray, Seed

_STREAM = 0x5A17  # keeps the shuffles apart from other streams that are drawn from the same seed


class Sampler(ABC):
    """Cut epochs of N example numbers into batches.

    The order of an epoch is a function of (seed, epoch) alone. So replicas with equal seeds see equal batches, the
    batch size may change between any two calls without changing the order, and a resumed run draws what the
    uninterrupted one would have drawn.

    n: examples in the training split. seeds: one per replica, R of them. last: what happens to the examples that do
    not fill the last batch of an epoch: "use" makes a short batch of them, "drop" leaves them out.

    Raises:
        ArgumentError: For n < 1, no seeds, negative seeds, another last.
    """

    def __init__(self, n: int, seeds: Sequence[Seed], *, last: Literal["use", "drop"] = "use") -> None:
        if n < 1:
            raise ArgumentError("n", expected="at least 1", got=n, fix="pass the number of training examples")
        if not len(seeds):
            raise ArgumentError("seeds", expected="one seed per replica", got="none", fix="pass seeds=[0]")
        if not is_word(last, ("use", "drop")):
            raise ArgumentError("last", expected="'use' or 'drop'", got=repr(last), fix="choose one of them")
        self.n = n
        self.last = last
        self.least = 1  # fewer examples than this at the end of an epoch are no batch, and are left out
        self.epoch = 0  # epochs begun
        self._at = n  # examples of this epoch already handed out
        self._order = np.empty((0, n), dtype=np.int64)  # (distinct seeds, N)
        self._reset(seeds)

    @abstractmethod
    def order(self, rng: Generator) -> HostArray:
        """Return the example numbers (N,) of one epoch."""

    @property
    def left(self) -> int:
        """Examples of this epoch not yet handed out; 0 before the first epoch."""
        return self.n - self._at

    def batches_left(self, batch_size: int) -> int:
        """Batches of this size that the epoch still holds; 0 means that the next call begins a new epoch."""
        full, short = divmod(self.left, batch_size)
        return full if self.last == "drop" else full + (short >= self.least)

    def next(self, batch_size: int) -> HostArray:
        """Return the example numbers (R, b) of the next batch; b < batch_size only where an epoch ends short.

        A new epoch begins when this one has no batch left. The array is valid until the next call: it may be a view.

        Raises:
            ArgumentError: For batch_size < 1, or > N when the last short batch is dropped.
        """
        b = self.coming(batch_size)
        self._at += b
        batch = self._order[:, self._at - b : self._at]
        return batch if self._row_of is None else batch[self._row_of]

    def coming(self, batch_size: int) -> int:
        """Return the examples b of the next batch; begin a new epoch when this one has no batch left.

        Raises:
            ArgumentError: As ``next`` does.
        """
        if batch_size < 1:
            raise ArgumentError("batch_size", expected="at least 1", got=batch_size, fix="use 1 for stochastic")
        if self.batches_left(batch_size) == 0:
            if self.last == "drop" and batch_size > self.n:
                raise ArgumentError(
                    "batch_size",
                    expected=f"at most N = {self.n} when the last short batch is dropped",
                    got=batch_size,
                    fix="use a smaller batch, or last='use'",
                )
            self.begin_epoch()
        return min(batch_size, self.left)

    def drawn(self, batch_size: int) -> int:
        """Full batches that can be taken one after the other without anything being drawn or read in between."""
        return self.left // batch_size

    def skip(self, examples: int) -> None:
        """Count so many more examples of this epoch as handed out, or, if negative, so many fewer."""
        self._at += examples

    def begin_epoch(self) -> None:
        """Begin the next epoch, whatever is left of this one."""
        self.epoch += 1
        self._at = 0
        self._shuffle()

    def keep(self, rows: Sequence[int] | HostArray) -> None:
        """Keep only these replicas, by number; the others leave, the kept go on unchanged."""
        self._reset([self.seeds[row] for row in rows])
        self._shuffle()

    def state(self) -> dict[str, Any]:
        """Return all that a resumed run needs, as plain numbers and text that JSON can hold."""
        return {"sampler": type(self).__name__, "n": self.n, "seeds": list(self.seeds), "epoch": self.epoch,
                "left": self.left}  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where state() was taken.

        Raises:
            ArgumentError: For the state of another kind of sampler, of another N, or one with parts
                missing.
        """
        mine = self.state()
        if mine.keys() - state.keys() or any(state[key] != mine[key] for key in ("sampler", "n")):
            raise ArgumentError(
                "state",
                expected=f"the state of a {mine['sampler']} sampler of {self.n} examples",
                got=dict(state),
                fix="resume with the same data and sampling",
            )
        self.epoch, self._at = state["epoch"], self.n - state["left"]
        self._reset(state["seeds"])
        self._shuffle()

    def _reset(self, seeds: Sequence[Seed]) -> None:
        """Give every replica the row of its seed; equal seeds share one row."""
        self.seeds = tuple(operator.index(seed) for seed in seeds)
        if any(seed < 0 for seed in self.seeds):
            raise ArgumentError("seeds", expected="integers ≥ 0", got=self.seeds, fix="choose other seeds")
        self._streams = tuple(dict.fromkeys(self.seeds))
        row = {seed: i for i, seed in enumerate(self._streams)}
        shared = len(self._streams) < len(self.seeds)
        self._row_of = np.array([row[seed] for seed in self.seeds]) if shared else None

    def _shuffle(self) -> None:
        """Fill in the order of the current epoch, one row per distinct seed."""
        if len(self._order) != len(self._streams):
            self._order = np.empty((len(self._streams), self.n), dtype=np.int64)
        if self.epoch:
            for row, seed in zip(self._order, self._streams, strict=True):
                entropy = np.random.SeedSequence(seed, spawn_key=(_STREAM, self.epoch))
                row[:] = self.order(np.random.Generator(np.random.PCG64(entropy)))


class Shuffled(Sampler):
    """Every example once per epoch, in an order drawn anew each epoch (random reshuffling)."""

    def order(self, rng: Generator) -> HostArray:
        return rng.permutation(self.n)


class Sequential(Sampler):
    """Every example once per epoch, in the order of the data (without shuffling)."""

    def order(self, rng: Generator) -> HostArray:
        return np.arange(self.n)


class WithReplacement(Sampler):
    """N independent uniform draws per epoch: the sampling that most theory of SGD assumes."""

    def order(self, rng: Generator) -> HostArray:
        return rng.integers(self.n, size=self.n)
