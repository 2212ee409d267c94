"""Which examples of a stream make the next batch: drawn from a buffer that is filled again on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from minisgd.data.dataset import Dataset
from minisgd.data.sampling import Sampler
from minisgd.data.split import Split, require_alike
from minisgd.data.stream import Opened
from minisgd.errors import ArgumentError, DataError
from minisgd.typing import Generator, HostArray, Seed

_PLACE = ("epoch", "length", "handed_out", "fillings", "_at")
_STREAM = 0xB0F  # keeps these shuffles apart from other streams that are drawn from the same seed


class Buffered(Sampler):
    """Hand out the places of a buffer, and put the next examples of the stream where others have been handed out.

    When half of the buffer is left, the other half is read, and all that is there is shuffled. What is drawn is a
    function of the seed and the batch sizes alone.

    data: a data set by whose rules further examples are prepared, as those in the buffer were
    x (K, …), y (K, …): the arrays that batches are gathered from, holding the head of the stream
    """

    def __init__(
        self,
        source: Opened,
        data: Dataset,
        x: HostArray,
        y: HostArray,
        seed: Seed,
        *,
        shuffle: bool,
        last: Literal["use", "drop"],
    ) -> None:
        self.stream, self.reader = source.stream, source.reader
        self.data, self.x, self.y, self.shuffle = data, x, y, shuffle
        self.length = self.stream.examples
        """Examples of an epoch, None until that is known."""
        self.handed_out = self.fillings = 0
        """Examples of this epoch before the buffer was filled last, and how often it was."""
        super().__init__(len(x), [seed], last=last)

    # ------------------------------------------------ how far

    @property
    def n(self) -> int:
        """N, the examples of an epoch; 1 as long as their number is not known."""
        return self.length or 1

    @n.setter
    def n(self, value: int) -> None:
        """The number of examples in the buffer is not that of an epoch."""

    @property
    def ready(self) -> int:
        """Examples in the buffer that have not been handed out."""
        return self._order.shape[1] - self._at

    @property
    def left(self) -> int:
        """Examples of this epoch not yet handed out; 1 as long as their number is not known."""
        return 1 if self.length is None else max(self.length - self.handed_out - self._at, 0)

    def batches_left(self, batch_size: int) -> int:
        full, short = divmod(self.ready, batch_size)
        if self.epoch and not self.reader.exhausted:
            return full + 1
        return full if self.last == "drop" else full + (short >= self.least)

    def drawn(self, batch_size: int) -> int:
        if self.reader.exhausted:
            return self.ready // batch_size
        return -(-(self.ready - len(self.x) // 2) // batch_size)

    def coming(self, batch_size: int) -> int:
        if self.batches_left(batch_size) == 0:
            self.begin_epoch()
        elif not self.reader.exhausted and self.ready <= len(self.x) // 2:
            self._fill()
        return min(batch_size, self.ready)

    # ------------------------------------------------ filling the buffer

    def begin_epoch(self) -> None:
        """Begin to read anew; the first epoch begins with what the buffer holds."""
        self.epoch += 1
        self.handed_out = self.fillings = self._at = 0
        self._order = np.arange(len(self.x))[None]
        if self.epoch == 1:
            return self._shuffle()
        self.length = self.reader.read
        self.reader = self.stream.open()
        self._at = len(self.x)
        self._fill()
        self.handed_out = 0
        if not self.ready:
            fix = "let iter(data) begin anew, or pass a function that returns an iterable"
            raise DataError("data", expected=f"readable again for epoch {self.epoch}", got="no batch", fix=fix)

    def _fill(self) -> None:
        """Put the next examples where others have been handed out, and draw the order of all that are there."""
        free, kept = self._order[0, : self._at], self._order[0, self._at :]
        done = 0
        for x, y in self.reader.parts(len(free)):
            part, place = self._read(x, y), free[done : done + len(x)]
            self.x[place] = part.x
            self.y[place] = part.y.reshape(len(x), *self.y.shape[1:])
            done += len(x)
        self.handed_out, self._at = self.handed_out + self._at, 0
        self._order = np.concatenate([kept, free[:done]])[None]
        self._shuffle()

    def _read(self, x: HostArray, y: HostArray) -> Split:
        """Return examples prepared as those of the head were."""
        try:
            part = self.data.alike((x, y), "data")
        except DataError as error:
            if self.data.classes is None or error.argument != "data: y":
                raise
            fix = f"mix the source: classes are those of its first {len(self.x):,} examples and of the validation data"
            raise DataError("data: y", expected=error.expected, got=error.got, fix=fix) from error
        require_alike(part, self.data.train)
        if self.y.ndim > part.y.ndim and part.y.dtype == np.int64:  # a transform mixes targets
            return Split(part.x, np.eye(self.data.n_classes, dtype=self.y.dtype)[part.y])
        return part

    def _shuffle(self) -> None:
        if self.epoch and self.shuffle:
            entropy = np.random.SeedSequence(self.seeds[0], spawn_key=(_STREAM, self.epoch, self.fillings))
            self._order = np.random.Generator(np.random.PCG64(entropy)).permuted(self._order, axis=1)
        self.fillings += 1

    def order(self, rng: Generator) -> HostArray:
        return np.arange(len(self.x))

    # ------------------------------------------------ stopping and going on

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs: where in the source it was, and what the buffer holds."""
        place = {name: getattr(self, name) for name in _PLACE}
        arrays = {"order": self._order, "x": self.x, "y": self.y}
        return {"sampler": type(self).__name__, "seeds": list(self.seeds), "read": self.reader.read, **place, **arrays}

    def restore(self, state: Mapping[str, Any]) -> None:
        if state.get("sampler") != type(self).__name__ or state["x"].shape != self.x.shape:
            got, fix = state.get("sampler"), "resume with the same data and the same buffer"
            raise ArgumentError("state", expected="that of a stream with such a buffer", got=got, fix=fix)
        for name in _PLACE:
            setattr(self, name, state[name])
        self._order, self.x[...], self.y[...] = state["order"], state["x"], state["y"]
        self.reader = self.stream.open()
        for _ in self.reader.parts(state["read"]):
            pass
