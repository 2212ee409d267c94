"""What a training run on a stream differs in: its training examples are a buffer, which changes on the way."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any, Literal

import numpy as np

from minisgd.data import Dataset, Split
from minisgd.data.buffered import Buffered
from minisgd.data.stream import Opened
from minisgd.errors import ArgumentError
from minisgd.optim import BatchSizeSchedule
from minisgd.training.feeds.feed import HostData
from minisgd.training.identity import depends_on_horizon


def check_streamed(
    source: Opened, validation: Any, class_weight: Any, sampling: str, epochs: float | None, resume: Any
) -> None:
    """Refuse what asks for all examples, or to read a generator twice.

    Raises:
        ArgumentError: Names the argument.
    """
    again = "pass the function that makes the generator, or ms.Stream(function)"
    for argument, value, right, expected, fix in (
        ("validation", validation, not isinstance(validation, Real), "(x, y) for a stream", "pass arrays"),
        ("class_weight", class_weight, class_weight is None, "left out for a stream", "let the source balance them"),
        ("sampling", sampling, sampling != "replacement", "'shuffle' or 'sequential' for a stream", "leave it out"),
        ("epochs", epochs, source.stream.repeats or (epochs or 1) <= 1, "at most 1 for a generator", again),
        ("resume", resume, source.stream.repeats or resume is None, "left out for a generator", again),
    ):
        if not right:
            raise ArgumentError(argument, expected=expected, got=value, fix=fix)


def check_schedules(source: Opened, buffer: int, size: BatchSizeSchedule, rate: Any, steps: int | None) -> None:
    """Refuse batches that half of the buffer does not hold, and schedules over epochs of unknown length.

    Raises:
        ArgumentError: Names the argument.
    """
    if size.largest > buffer // 2:
        expected = f"at most {buffer // 2:,}, half of the stream's buffer"
        fix = f"make that larger: ms.Stream(…, buffer={2 * size.largest})"
        raise ArgumentError("batch_size", expected=expected, got=size.largest, fix=fix)
    for argument, schedule in (("optimizer", rate), ("batch_size", size)):
        if steps is None and source.stream.examples is None and callable(schedule) and depends_on_horizon(schedule):
            expected = "without a schedule that spans the training run, as nobody knows how long an epoch is"
            fix = "say it: ms.Stream(…, examples=N); or give steps"
            raise ArgumentError(argument, expected=expected, got=schedule, fix=fix)


def in_buffer(data: Dataset, dtype: str, sampling: str) -> Dataset:
    """Return a data set whose training examples are the arrays that training reads, in its dtype: the buffer."""
    train = data.train
    x, y = (a if a.dtype.kind in "iu" else a.astype(dtype, copy=False) for a in (train.x, train.y))
    how = "in its own order" if sampling == "sequential" else f"shuffled within {len(x):,} examples"
    return replace(data, name=f"stream {how}", train=Split(x, y))


def buffered(
    source: Opened, raw: Dataset, data: Dataset, dtype: str, seed: int, sampling: str, last: Literal["use", "drop"]
) -> Buffered:
    """Return the sampler that fills the buffer.

    raw: the data set before a transform's soft labels   data: the one in the buffer
    """
    rules = replace(raw, train=raw.train.take(np.zeros(1, np.int64)), validation=None)
    host = HostData.of(data.train, dtype)  # which copies nothing
    return Buffered(source, rules, host.x, host.y, seed, shuffle=sampling == "shuffle", last=last)
