"""Batch sizes that follow the gradient: the rules on measurements that are known."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from minisgd.errors import ArgumentError
from minisgd.optim import (
    CABS,
    BatchSizeSchedule,
    GradientMeasure,
    GrowBatch,
    InnerProductTest,
    NeverShrink,
    NormTest,
    Progress,
    as_batch_schedule,
    measures_every,
)

SCHEDULES = [NormTest(8, 512), InnerProductTest(8, 512), CABS(8, 512), NeverShrink(CABS(8, 512))]


def measured(**values: float) -> GradientMeasure:
    defaults = {"loss": 2.0, "lr": 0.1, "grad_sq_norm": 4.0, "variance": 100.0, "inner_variance": 64.0}
    return GradientMeasure(examples=16, **(defaults | values))


def at(size: int, found: GradientMeasure | None = None, step: int = 10) -> Progress:
    return Progress(step=step, epoch=0.1, fraction=0.0, batch_size=size, measured=found)


@pytest.mark.parametrize(
    "schedule, expected",
    [
        (NormTest(8, 512, theta=0.5), 100),  # 100 / (0.25 · 4)
        (NormTest(8, 512, theta=1.0), 25),
        (InnerProductTest(8, 512, theta=0.5), 16),  # 64 / (0.25 · 16)
        (InnerProductTest(8, 512, theta=0.25), 64),
        (CABS(4, 512), 5),  # 0.1 · 100 / 2
        (CABS(8, 512), 8),
        (NormTest(8, 60, theta=0.5), 60),
    ],
)
def test_the_rules(schedule: BatchSizeSchedule, expected: int) -> None:
    assert schedule(at(8, measured())) == expected


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_the_size_stays_until_the_next_measurement(schedule: BatchSizeSchedule) -> None:
    assert schedule(at(512, step=0)) == 8
    assert [schedule(at(size)) for size in (8, 33, 512)] == [8, 33, 512]


@pytest.mark.parametrize("schedule", [*SCHEDULES[:2], SCHEDULES[3]], ids=repr)
def test_what_was_reached_is_kept(schedule: BatchSizeSchedule) -> None:
    calm = measured(variance=1e-3, inner_variance=1e-3)
    assert schedule(at(300, calm)) == 300


def test_cabs_shrinks_unless_it_is_told_not_to() -> None:
    calm = measured(variance=1e-3)
    assert CABS(8, 512)(at(300, calm)) == 8
    assert NeverShrink(CABS(8, 512))(at(300, measured(variance=12_000.0))) == 600 - 88  # capped


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_sizes_stay_between_start_and_largest_whatever_is_measured(schedule: BatchSizeSchedule) -> None:
    for value in (0.0, 1e-300, 1e300, inf, nan):
        for name in ("grad_sq_norm", "variance", "inner_variance", "loss"):
            assert 8 <= schedule(at(8, measured(**{name: value}))) <= 512


def test_a_gradient_that_is_gone_asks_for_all_there_is() -> None:
    assert NormTest(8, 512)(at(8, measured(grad_sq_norm=0.0))) == 512
    assert NormTest(8, 512)(at(8, measured(grad_sq_norm=0.0, variance=0.0))) == 8


def test_they_are_schedules_like_all_others() -> None:
    for schedule in SCHEDULES:
        assert as_batch_schedule(schedule, 600) is schedule and schedule.largest == 512
        assert measures_every(schedule) == 10
        with pytest.raises(ArgumentError, match="^batch_size must be an integer of at most 100 at its largest"):
            as_batch_schedule(schedule, 100)
    grown = NeverShrink(GrowBatch(8, 64, every=1))
    assert measures_every(grown) is None and measures_every(GrowBatch(8, 64, every=1)) is None


@pytest.mark.parametrize(
    "make, argument",
    [
        (lambda: NormTest(1, 32), "start"),
        (lambda: NormTest(64, 32), "largest"),
        (lambda: NormTest(8, 32, every=0), "every"),
        (lambda: NormTest(8, 32, theta=0), "theta"),
        (lambda: NormTest(8.5, 32), "start"),  # type: ignore[arg-type]
        (lambda: InnerProductTest(8, 32, theta=-1), "theta"),
        (lambda: CABS(8, "many"), "largest"),  # type: ignore[arg-type]
        (lambda: NeverShrink(32), "schedule"),  # type: ignore[arg-type]
        (lambda: NeverShrink(CABS), "schedule"),  # type: ignore[arg-type]
    ],
)
def test_nonsense_is_refused(make: Any, argument: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{argument} must be .*, got .*; .+"):
        make()
