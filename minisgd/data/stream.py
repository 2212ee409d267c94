"""Batches (x, y) from a source that may be larger than memory: read as they come, shuffled within a buffer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from minisgd.checks import positive
from minisgd.data.tables.frames import is_frame
from minisgd.errors import ArgumentError, DataError
from minisgd.typing import HostArray

Source: TypeAlias = Iterable[Any] | Callable[[], Iterable[Any]]
Rows: TypeAlias = tuple[HostArray, HostArray]

BUFFER_BYTES = 64 << 20
"""Bytes of examples that the buffer holds by default."""


class Stream:
    """Training examples that are read as they come, in batches of any size: never more than a buffer is in memory.

    Examples are drawn at random from the buffer, half of which is read anew whenever the other half is left. So an
    order in the source, such as one class after the other, is only mixed within that distance. A source that fits into
    the buffer becomes a data set in memory.

    Args:
        source: A function that returns an iterable of batches (x, y), called for every epoch; or an iterable, such as
            a PyTorch DataLoader. A generator can be read once, so it serves one epoch, and cannot be resumed.
        buffer: Examples in the buffer; by default what 64 MiB hold.
        examples: How many an epoch has, where the source does not say it: until the first epoch is over, progress and
            schedules of the learning rate go by it.

    Raises:
        ArgumentError: For a source that cannot be read, or a size that is no positive integer.
    """

    def __init__(self, source: Source, *, buffer: int | None = None, examples: int | None = None) -> None:
        if not (callable(source) or hasattr(source, "__iter__")) or isinstance(source, type | str):
            fix = "yield x, y in a function, and pass the function"
            raise ArgumentError("source", expected="a function or an iterable of batches", got=source, fix=fix)
        self.source = source
        self.buffer = None if buffer is None else positive(buffer, "buffer")
        known = getattr(getattr(source, "dataset", None), "__len__", None)
        self.examples = positive(examples, "examples") if examples is not None else known() if known else None
        self.begun = False

    @property
    def repeats(self) -> bool:
        """Whether it can be read more than once."""
        return callable(self.source) or iter(self.source) is not self.source

    def open(self) -> Reader:
        """Begin to read, from the first example."""
        if self.begun and not self.repeats:
            fix = "pass the function that makes the generator instead of the generator"
            raise ArgumentError("data", expected="readable again for another epoch", got="a generator", fix=fix)
        self.begun = True
        return Reader(self.source() if callable(self.source) else self.source)


def is_batches(data: Any) -> bool:
    """Tell whether something yields batches: an iterable or a function, but no array, no frame, no pair and no text."""
    if isinstance(data, tuple | list | str | bytes | type) or hasattr(data, "shape") or is_frame(data):
        return False
    return isinstance(data, Stream) or hasattr(data, "__iter__") or callable(data)


class Reader:
    """Takes examples off the batches of a source, however many these hold."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = _checked(batches)
        self._rows: Rows = np.empty(0), np.empty(0)
        self._at = 0
        self.read = 0
        """Examples taken so far."""

    @property
    def exhausted(self) -> bool:
        """Whether no example is left; reads the next batch where it has to."""
        while self._at == len(self._rows[0]):
            rows = next(self._batches, None)
            if rows is None:
                return True
            self._rows, self._at = rows, 0
        return False

    def take(self, most: int) -> Rows:
        """Return examples that lie together, at least one and at most so many."""
        x, y = self._rows
        n = min(most, len(x) - self._at)
        self._at += n
        self.read += n
        return x[self._at - n : self._at], y[self._at - n : self._at]

    def parts(self, most: int) -> Iterator[Rows]:
        """Yield examples until they are so many, or none is left."""
        until = self.read + most
        while self.read < until and not self.exhausted:
            yield self.take(until - self.read)


@dataclass
class Opened:
    """A stream that goes on behind its head, and the reader of what follows."""

    stream: Stream
    reader: Reader


def opened(data: Any) -> tuple[Any, Opened | None]:
    """Return data as they are, but batches as arrays (x, y): all of them, or what the buffer holds and a reader.

    Raises:
        DataError: If there is no batch, or one is no pair (x, y) of arrays like those before it.
    """
    if not is_batches(data):
        return data, None
    stream = data if isinstance(data, Stream) else Stream(data)
    reader = stream.open()
    if reader.exhausted:
        fix = "pass a generator anew: it is empty"
        raise DataError("data", expected="at least one batch (x, y)", got="none", fix=fix)
    first = reader.take(1)
    size = stream.buffer or max(2, BUFFER_BYTES // max(1, first[0].nbytes))
    parts = [first, *reader.parts(size - 1)]
    try:
        rows = tuple(np.concatenate([part[k] for part in parts]) for k in (0, 1))
    except ValueError as error:
        fix = "let all batches have examples of one shape"
        raise DataError("data", expected="batches that fit together", got=str(error), fix=fix) from error
    return rows, None if reader.exhausted else Opened(stream, reader)


def _checked(batches: Iterable[Any]) -> Iterator[Rows]:
    """Yield batches as pairs of arrays of one length."""
    if not isinstance(batches, Iterable):
        got = f"a function that returns {type(batches).__name__}"
        raise DataError("data", expected="a function that yields batches", got=got, fix="yield x, y")
    for number, batch in enumerate(batches):
        if not isinstance(batch, Sequence) or isinstance(batch, str) or len(batch) != 2:
            got = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, Sequence) else "")
            raise DataError(f"data: batch {number}", expected="a pair (x, y)", got=got, fix="yield x, y")
        x, y = (np.atleast_1d(_host(array)) for array in batch)
        if len(x) != len(y):
            got = f"{len(x)} examples and {len(y)} targets"
            raise DataError(f"data: batch {number}", expected="a target for each example", got=got, fix="yield x, y")
        yield x, y


def _host(array: Any) -> HostArray:
    """Return an array, or a tensor of PyTorch, as a NumPy array."""
    return np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)
