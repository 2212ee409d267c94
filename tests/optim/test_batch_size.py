"""Batch-size schedules, and what a batch size may be."""

from __future__ import annotations

import numpy as np
import pytest

from minisgd.errors import ArgumentError, DtypeError
from minisgd.optim import BatchMilestones, ConstantBatch, GrowBatch, Progress, StepDecay, as_batch_schedule
from minisgd.optim.batch_size import size_at

N = 1000


def at(epoch: float) -> Progress:
    return Progress(step=0, epoch=epoch, fraction=0.0, batch_size=1)


@pytest.mark.parametrize("value, size", [(1, 1), (32, 32), (N, N), (np.int64(8), 8), ("full", N)])
def test_numbers_and_full_are_constant(value, size):
    schedule = as_batch_schedule(value, N)
    assert schedule == ConstantBatch(size)
    assert schedule.largest == schedule(at(3)) == size


@pytest.mark.parametrize(
    "epoch, size", [(0, 32), (4.99, 32), (5, 64), (10, 128), (24, 512), (25, 1000), (30, 1000), (1e300, 1000)]
)
def test_grow(epoch, size):
    grow = GrowBatch(32, 1000, every=5)
    assert grow.largest == 1000
    assert grow(at(epoch)) == size
    assert as_batch_schedule(grow, N) is grow


def test_parts_of_epochs_are_counted_as_they_are_written():
    """As floats 0.6 / 0.1 and 0.3 / 0.1 lie just below 6 and 3."""
    assert [GrowBatch(1, 1000, every=0.1)(at(k / 10)) for k in range(8)] == [2**k for k in range(8)]
    assert [StepDecay(1.0, factor=0.5, every=0.1)(at(k / 10)) for k in range(8)] == [0.5**k for k in range(8)]


def test_growth_need_not_be_whole():
    assert [GrowBatch(10, 40, every=1, factor=1.5)(at(e)) for e in range(5)] == [10, 15, 22, 33, 40]
    assert GrowBatch(8, 8, every=1)(at(9)) == 8


@pytest.mark.parametrize("epoch, size", [(0, 32), (9.9, 32), (10, 128), (19, 128), (20, 64)])
def test_milestones(epoch, size):
    table = BatchMilestones({10: 128, 0: 32, 20: 64})
    assert table.largest == 128
    assert table(at(epoch)) == size


@pytest.mark.parametrize(
    "value, words",
    [
        (0, "use 1 for stochastic"),
        (-3, "use 1 for stochastic"),
        (N + 1, "there are 1000 examples; 'full' takes them all"),
        ("ful", "got ful; did you mean 'full'?"),
        ("Full", "did you mean 'full'?"),
        ("32", "write 32 without quotes"),
        ("everything", "'full' for all examples"),
        (32.0, "write 32"),
        (32.5, "use an integer"),
        (float("nan"), "use an integer"),
        (True, "got True; use an integer"),
        (None, "got None"),
        ([32], "use an integer"),
        (lambda progress: 32, "an instance with a property `largest`"),
        (GrowBatch, "an instance"),
        (ConstantBatch, "an instance"),
        (ConstantBatch(N + 1), "lower the largest batch"),
        (GrowBatch(1, N + 1, every=1), "lower the largest batch"),
    ],
)
def test_a_batch_size_that_is_none(value, words):
    with pytest.raises(ArgumentError) as caught:
        as_batch_schedule(value, N)
    message = str(caught.value)
    assert message.startswith("batch_size must be ") and words in message
    assert caught.value.exit_code == 2


def test_a_wrong_type_is_a_type_error():
    with pytest.raises(DtypeError):
        as_batch_schedule(32.0, N)


@pytest.mark.parametrize(
    "make, argument",
    [
        (lambda: ConstantBatch(0), "size"),
        (lambda: ConstantBatch(1.5), "size"),
        (lambda: GrowBatch(0, 10, every=1), "start"),
        (lambda: GrowBatch(1, 0, every=1), "largest"),
        (lambda: GrowBatch(10, 5, every=1), "largest"),
        (lambda: GrowBatch(1, 10, every=0), "every"),
        (lambda: GrowBatch(1, 10, every=1, factor=1), "factor"),
        (lambda: GrowBatch(1, 10, every=1, factor="2"), "factor"),
        (lambda: BatchMilestones({10: 32}), "sizes"),
        (lambda: BatchMilestones([32]), "sizes"),
        (lambda: BatchMilestones({0: 0}), r"sizes\[0\]"),
        (lambda: BatchMilestones({0: 1, -1: 2}), "epoch of sizes"),
        (lambda: BatchMilestones({0: 1, "ten": 2}), "epoch of sizes"),
    ],
)
def test_nonsense_is_refused(make, argument):
    with pytest.raises(ArgumentError, match=f"^{argument} must be .*, got .*; .+"):
        make()


class Scheduled:
    largest = 32

    def __init__(self, value):
        self.value = value

    def __call__(self, progress):
        return self.value


@pytest.mark.parametrize("value", [0, -1, 33, 10**30, 16.0, 16.5, float("nan"), None, True, "16", np.array([16])])
def test_a_schedule_must_give_integers_up_to_its_largest(value):
    with pytest.raises(ArgumentError, match="must be a schedule of integers from 1 to 32, .*; mend Scheduled"):
        size_at(Scheduled(value), at(0))


def test_a_schedule_may_give_integers_of_numpy():
    assert type(size_at(Scheduled(np.int64(16)), at(0))) is int


@pytest.mark.parametrize("largest", [None, 32.0, "32", 0, N + 1])
def test_the_largest_batch_of_a_schedule_must_be_an_integer(largest):
    schedule = Scheduled(16)
    schedule.largest = largest
    with pytest.raises(ArgumentError, match="an integer of at most .* at its largest"):
        as_batch_schedule(schedule, N)
