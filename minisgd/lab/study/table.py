"""The table of a study, which terminal, notebook and report take their numbers from: each is put into words once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from minisgd.lab import words
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.result import StudyResult
from minisgd.lab.study.statistics import CensoredMedian


def _none(b: BatchResult) -> str:
    return ""


@dataclass(frozen=True)
class Column:
    """A quantity at every batch size: in words, with a note below, and as the number that sorts it.

    short: its heading in the terminal, which has room for some; empty for the others
    """

    name: str
    text: Callable[[BatchResult], str]
    value: Callable[[BatchResult], float]
    note: Callable[[BatchResult], str] = _none
    short: str = ""


def _median(
    name: str,
    of: Callable[[BatchResult], CensoredMedian],
    price: Callable[[BatchResult], float],
    say: Callable[[float], str],
    short: str = "",
) -> Column:
    """Return a column of medians with their intervals; what was not reached says how far it was let go.

    price: of a step, in the unit of the column
    """

    def text(b: BatchResult) -> str:
        median = of(b).median
        return say(median) if math.isfinite(median) else f"> {say(b.max_steps * price(b))}"

    def note(b: BatchResult) -> str:
        got = of(b)
        return words.interval(got.low, got.high, say) if math.isfinite(got.median) else "not reached"

    return Column(name, text, lambda b: of(b).median, note, short)


def _number(
    name: str, value: Callable[[BatchResult], float | None], say: Callable[[float], str], short: str = ""
) -> Column:
    def text(b: BatchResult) -> str:
        known = value(b)
        return "–" if known is None else say(known)

    def sorts(b: BatchResult) -> float:
        known = value(b)
        return math.nan if known is None else known

    return Column(name, text, sorts, short=short)


def _usable(b: BatchResult) -> str:
    return f"{words.number(b.usable_lr_low)} – {words.number(b.usable_lr_high)}" if b.reached else "–"


COLUMNS = (
    Column(
        "batch size", lambda b: str(b.batch_size), lambda b: b.batch_size, lambda b: "full" if b.full else "", "batch"
    ),
    Column(
        "learning rate", lambda b: words.number(b.lr) + ("*" if b.lr_on_edge else ""), lambda b: b.lr, _usable, "lr"
    ),
    _median("steps to target", lambda b: b.steps_to_target, lambda b: 1.0, words.count, "steps to target"),
    _median("examples to target", lambda b: b.examples_to_target, lambda b: float(b.batch_size), words.count),
    _number("epochs", lambda b: b.epochs_to_target.median, words.count),
    _median("time to target", lambda b: b.seconds_to_target, lambda b: b.step_seconds, words.seconds, "time"),
    Column(
        "seeds there",
        lambda b: f"{b.steps_to_target.reached} of {b.steps_to_target.reached + b.steps_to_target.censored}",
        lambda b: b.steps_to_target.reached,
    ),
    _number("time of a step", lambda b: b.step_seconds, words.seconds, "step"),
    _number("examples a second", lambda b: b.samples_per_second, words.short, "ex./s"),
    _number("memory", lambda b: b.memory_bytes, words.memory, "memory"),
    _number("FLOPs of a step", lambda b: b.step_flops, words.short),
    _number("training loss", lambda b: b.train_loss, words.number),
    _number("validation accuracy", lambda b: b.val_accuracy, words.share, "accuracy"),
)


def columns(result: StudyResult) -> list[Column]:
    """Return the columns of which something is known."""
    return [c for c in COLUMNS if any(c.text(b) != "–" for b in result.batch_sizes)]
