"""What the reader should not conclude from a study, and which plots of the report that concerns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from minisgd.lab import words
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.pilot import MEASURABLE
from minisgd.lab.study.result import StudyResult

QUIET = 0.9
"""Processor seconds a second of the clock, from which a machine counts as quiet."""

MISFIT = 0.2
"""Relative error of the line of step times that is mentioned."""

FINE = 0.01
"""What one validation example more may change in an accuracy without a word on it."""

RACE, RATE, MAP, CURVES, THROUGHPUT = "race", "learning_rate", "heatmap", "curves", "throughput"
"""Names of plots."""


class Caution(str):
    """A sentence that knows the plots it concerns; none if it concerns the whole study."""

    about: tuple[str, ...]

    def __new__(cls, text: str, *about: str) -> Self:
        made = super().__new__(cls, text)
        made.about = about
        return made


def cautions(result: StudyResult) -> list[Caution]:
    """State what the reader should not conclude from this run."""
    found = [*_of_validation(result), *map(Caution, result.left_open)]
    if result.batch_sizes:
        found += [*_of_search(result), *_of_timing(result)]
    return found


def _of_search(result: StudyResult) -> Iterator[Caution]:
    """State what was not reached, where the grid ended, and what the fit does not say."""
    fit = result.fit
    missed = [b for b in result.batch_sizes if not b.reached]
    partly = [b for b in result.batch_sizes if b not in missed and b.steps_to_target.censored]
    edge = [b for b in result.batch_sizes if b.lr_on_edge and b not in missed]
    if missed:
        yield Caution(f"{_sizes(missed).capitalize()} did not reach the target within the steps allowed.", RACE, CURVES)
    if partly:
        which = _sizes(partly)
        yield Caution(f"At {which} some seeds did not reach the target; they count as infinitely long.", RACE, MAP)
    if edge:
        yield Caution(
            f"At {_sizes(edge)} the best learning rate is at the edge of those tried; a better one may lie beyond.",
            RATE,
            MAP,
        )
    if fit.s_min is None:
        yield Caution(f"There is no critical batch size: {fit.reason}.", RACE)
    elif not result.batch_sizes[0].batch_size <= fit.b_crit <= result.batch_sizes[-1].batch_size:
        yield Caution("The critical batch size lies outside the batch sizes tested, so it is an extrapolation.", RACE)
    if len(result.seeds) < 5:
        few = "A single seed has no interval" if len(result.seeds) == 1 else "Intervals of so few seeds are wide"
        yield Caution(f"{few}: use at least 5.", RACE)


def _of_timing(result: StudyResult) -> Iterator[Caution]:
    """State where step times look as if the machine had been busy, and where they do not lie on their line."""
    timing = result.timing
    if timing is None:
        return
    if timing.falling:
        pairs = words.join([f"{small} to {large}" for small, large in timing.falling])
        yield Caution(
            f"From batch size {pairs} the time of a step falls, twice measured: the machine was busy, or its library "
            "changes method there.",
            THROUGHPUT,
        )
    if timing.cpu_share is not None and timing.cpu_share < QUIET:
        yield Caution(
            f"While steps were timed the processor worked {100 * timing.cpu_share:.0f}% of the time: the machine was "
            "busy with other work, and seconds are too long.",
            RACE,
            THROUGHPUT,
        )
    if timing.residual > MISFIT:
        yield Caution(
            f"Step times miss the line t0 + B/r by {100 * timing.residual:.0f}%, so that what follows from it is "
            "rough.",
            THROUGHPUT,
        )


def _of_validation(result: StudyResult) -> Iterator[Caution]:
    """State what the validation part is too small for, and what is too quickly reached to be compared."""
    base = result.baseline
    if base is not None and base.resolution is not None and base.resolution > FINE:
        yield Caution(
            f"The validation part is small: one of its {base.n_validation} examples more or less changes the "
            f"{result.target.metric_name} by {100 * base.resolution:.2g}%, so that neighbouring targets are the same."
        )
    quick = [b for b in result.batch_sizes if b.steps_to_target.median < MEASURABLE]
    if quick or not result.measurable:
        where = f"at {_sizes(quick)}" if quick else "at the largest batch size"
        yield Caution(
            f"The target takes fewer than {MEASURABLE} updates {where}: too easy to tell batch sizes apart well.", RACE
        )


def _sizes(batches: list[BatchResult]) -> str:
    return words.batch_sizes([b.batch_size for b in batches])
