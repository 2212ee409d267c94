"""Schedules of the batch size: the same contract as for the learning rate, and the largest batch to come.

Memory is planned for `largest` before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from difflib import get_close_matches
from math import ceil, floor, log
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from minisgd.checks import is_integer
from minisgd.errors import ArgumentError, DtypeError
from minisgd.optim.checks import count, non_negative, number, positive
from minisgd.optim.progress import Progress, periods

COUNT_FIX = "use an integer such as 32"


@runtime_checkable
class BatchSizeSchedule(Protocol):
    """A function from progress to B that knows the largest B it returns."""

    @property
    def largest(self) -> int:
        """The largest batch size to come."""
        ...

    def __call__(self, progress: Progress) -> int: ...


BatchSize: TypeAlias = int | Literal["full"] | BatchSizeSchedule


def as_batch_schedule(value: BatchSize, n: int, argument: str = "batch_size") -> BatchSizeSchedule:
    """Return a schedule of the batch size for N examples: "full" is N, an integer is kept throughout.

    Args:
        value: An integer, "full" or a schedule.
        n: N, the number of training examples.
        argument: What the caller's user calls the value.

    Returns:
        A function from Progress to B.

    Raises:
        ArgumentError: For a batch below 1 or above N, or an unknown word.
        DtypeError: For what is neither an integer, "full" nor a schedule.
    """
    expected = f"an integer from 1 to {n}, 'full' or a schedule of batch size"
    if isinstance(value, str):
        if value == "full":
            return ConstantBatch(n)
        if value.isdecimal():
            fix = f"write {value} without quotes"
        elif get_close_matches(value.lower(), ["full"]):
            fix = "did you mean 'full'?"
        else:
            fix = "use an integer such as 32, or 'full' for all examples at once"
        raise ArgumentError(argument, expected=expected, got=repr(value) if value.isdecimal() else value, fix=fix)
    if is_integer(value):
        value = int(value)
        if not 1 <= value <= n:
            fix = "use 1 for stochastic descent" if value < 1 else f"there are {n} examples; 'full' takes them all"
            raise ArgumentError(argument, expected=expected, got=value, fix=fix)
        return ConstantBatch(value)
    if not isinstance(value, BatchSizeSchedule) or isinstance(value, type):
        if isinstance(value, float) and float(value).is_integer():
            fix = f"write {value:.0f}"
        elif callable(value):
            fix = "pass an instance with a property `largest`, so that memory can be planned"
        else:
            fix = COUNT_FIX
        raise DtypeError(argument, expected=expected, got=value, fix=fix)
    if not is_integer(value.largest) or not 1 <= value.largest <= n:
        expected = f"an integer of at most {n} at its largest"
        raise ArgumentError(argument, expected=expected, got=value, fix="lower the largest batch")
    return value


def size_at(schedule: BatchSizeSchedule, progress: Progress) -> int:
    """Return the batch size of an update.

    Raises:
        ArgumentError: If the schedule gives no integer from 1 to its largest.
    """
    size: object = schedule(progress)
    if not is_integer(size) or not 1 <= size <= schedule.largest:
        expected = f"a schedule of integers from 1 to {schedule.largest}, its largest"
        raise ArgumentError("batch_size", expected=expected, got=repr(size), fix=f"mend {type(schedule).__name__}")
    return int(size)


def require_growth(start: int, largest: int) -> None:
    """Refuse a largest batch size below the first one."""
    if largest < start:
        raise ArgumentError("largest", expected=f"at least start = {start}", got=largest, fix="swap start and largest")


@dataclass(frozen=True)
class ConstantBatch:
    """Keep the batch size.

    Args:
        size: B.
    """

    size: int

    def __post_init__(self) -> None:
        count("size", self.size, COUNT_FIX)

    @property
    def largest(self) -> int:
        """The largest batch size to come."""
        return self.size

    def __call__(self, progress: Progress) -> int:
        return self.size


@dataclass(frozen=True)
class GrowBatch:
    """Multiply the batch size by a factor every so many epochs: min(largest, ⌊start · factor^⌊epoch / every⌋⌋).

    What decaying the learning rate by 1/factor does to the noise, in fewer updates (Smith et al. 2018).

    Args:
        start: The first batch size.
        largest: The batch size beyond which it does not grow.
        every: Epochs from one growth to the next.
        factor: By which it grows, above 1.
    """

    start: int
    largest: int
    _: KW_ONLY
    every: float
    factor: float = 2

    def __post_init__(self) -> None:
        count("start", self.start, COUNT_FIX)
        count("largest", self.largest, COUNT_FIX)
        require_growth(self.start, self.largest)
        positive("every", self.every, "give a number of epochs, such as 5")
        if number("factor", self.factor, "a number above 1", "2 doubles") <= 1:
            raise ArgumentError("factor", expected="a number above 1", got=self.factor, fix="2 doubles")

    def __call__(self, progress: Progress) -> int:
        enough = ceil(log(self.largest / self.start) / log(self.factor)) + 1  # beyond it the power may overflow
        growths = min(periods(progress.epoch, self.every), enough)
        return min(self.largest, floor(self.start * self.factor**growths))


@dataclass(frozen=True)
class BatchMilestones:
    """Use the batch sizes of a table {epoch: B}, each from its epoch onwards; epoch 0 must be there.

    Args:
        sizes: Batch sizes by the epoch from which they hold.
    """

    sizes: Mapping[float, int]

    def __post_init__(self) -> None:
        fix = "write it like {0: 32, 10: 128}"
        if not isinstance(self.sizes, Mapping):
            raise DtypeError("sizes", expected="a table {epoch: batch size}", got=self.sizes, fix=fix)
        if 0 not in self.sizes:
            raise ArgumentError("sizes", expected="a table that starts at epoch 0", got=self.sizes, fix=fix)
        for epoch, size in self.sizes.items():
            non_negative("epoch of sizes", epoch, fix)
            count(f"sizes[{epoch}]", size, fix)

    @property
    def largest(self) -> int:
        """The largest batch size to come."""
        return max(self.sizes.values())

    def __call__(self, progress: Progress) -> int:
        return self.sizes[max(epoch for epoch in self.sizes if epoch <= progress.epoch)]
