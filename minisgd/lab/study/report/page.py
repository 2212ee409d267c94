"""The report: eight pictures and one page that holds them, readable offline and by someone new to the run."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minisgd.files import write_atomically
from minisgd.lab import words
from minisgd.lab.plots import Figure, png
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.pilot import MEASURABLE
from minisgd.lab.study.report import captions, heatmap, learning, machine, scaling
from minisgd.lab.study.result import StudyResult
from minisgd.lab.study.statistics import CensoredMedian
from minisgd.lab.template import load_template

QUIET = 0.9
"""Processor seconds a second of the clock, from which a machine counts as quiet."""

MISFIT = 0.2
"""Relative error of the line of step times that is mentioned."""

FINE = 0.01
"""What one validation example more may change in an accuracy without a word on it."""


@dataclass(frozen=True)
class Picture:
    """Name a picture: its file, the question it answers, how to draw it and what to say below it."""

    name: str
    question: str
    draw: Callable[[StudyResult], Figure]
    caption: Callable[[StudyResult], str]


PICTURES = (
    Picture("steps", "How many steps does it take?", scaling.draw_steps, captions.steps),
    Picture("examples", "How many examples?", scaling.draw_examples, captions.examples),
    Picture("seconds", "How long?", scaling.draw_seconds, captions.seconds),
    Picture("learning_rate", "Which learning rate?", learning.draw_learning_rate, captions.learning_rate),
    Picture("heatmap", "How much does the learning rate matter?", heatmap.draw_heatmap, captions.heatmap),
    Picture("throughput", "How fast is this machine?", machine.draw_throughput, captions.throughput),
    Picture("memory", "How much memory?", machine.draw_memory, captions.memory),
    Picture("curves", "Who leads, by three ways of counting?", learning.draw_curves, captions.curves),
)


def write_report(result: StudyResult, folder: str | Path) -> Path:
    """Write report.html and a PNG of every picture into a folder, and return the path of the page.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
        OutputError: The folder cannot be written.
    """
    template = load_template("minisgd.lab.study.report")
    pictures = PICTURES if result.batch_sizes else ()
    images = {picture.name: png(picture.draw(result)) for picture in pictures}
    page = template.render(_context(result, images))
    for name, image in images.items():
        write_atomically(Path(folder) / f"{name}.png", image)
    return write_atomically(Path(folder) / "report.html", page.encode())


def _context(result: StudyResult, images: Mapping[str, bytes]) -> dict[str, Any]:
    figures = [
        {
            "name": picture.name,
            "question": picture.question,
            "caption": picture.caption(result),
            "image": base64.b64encode(images[picture.name]).decode(),
        }
        for picture in PICTURES
        if picture.name in images
    ]
    best = result.recommendation
    return {
        "result": result,
        "usage": [text for text in (best.command, best.call) if text],
        "target": str(result.target),
        "answer": _answer(result),
        "facts": _facts(result),
        "cautions": cautions(result),
        "definition": captions.DEFINITION,
        "figures": figures,
        "rows": [_row(b, result) for b in result.batch_sizes],
        "accuracy": any(b.val_accuracy is not None for b in result.batch_sizes),
        "setting": _setting(result),
        "environment": [(key, _text(value)) for key, value in result.environment.items()],
    }


def _answer(result: StudyResult) -> str:
    best = result.recommendation
    if not result.learned:
        return "Nothing was learned"
    if not result.batch_sizes:
        return "Any batch size will do"
    if best.batch_size is None or best.lr is None:
        return "No batch size can be recommended yet"
    full = any(b.full and b.batch_size == best.batch_size for b in result.batch_sizes)
    return f"Use {'the full batch of' if full else 'batch size'} {best.batch_size} with learning rate {best.lr:.2g}"


def _facts(result: StudyResult) -> list[tuple[str, str, str]]:
    """Return the numbers that go with the answer: what, how much, and what that means."""
    best, fit = result.recommendation, result.fit
    facts = []
    if best.seconds is not None and best.memory_bytes is not None:
        facts.append(
            (
                words.seconds(best.seconds),
                "time to target",
                f"predicted, to reach {result.target}",
            )
        )
        facts.append((words.memory(best.memory_bytes), "memory", "for one training step"))
    if best.confidence is not None and best.runner_up is not None:
        facts.append(
            (
                f"{100 * best.confidence:.0f}%",
                "how sure",
                "share of draws from the errors of seeds and timing in which it is the fastest",
            )
        )
    if best.runner_up is not None:
        runner_up = f"batch size {best.runner_up.batch_size}"
        facts.append((words.seconds(best.runner_up.seconds), "runner-up", runner_up))
    if fit.s_min is not None:
        interval = f"{words.size(fit.b_crit_low)} to {words.size(fit.b_crit_high)}"
        facts.append(
            (
                words.size(fit.b_crit),
                "critical batch size",
                f"beyond it larger batches save few steps; 95% interval {interval}",
            )
        )
    return facts


def cautions(result: StudyResult) -> list[str]:
    """State what the reader should not conclude from this run."""
    found, fit = [*validation_cautions(result), *result.left_open], result.fit
    if not result.batch_sizes:
        return found
    missed = [b for b in result.batch_sizes if not math.isfinite(b.steps_to_target.median)]
    partly = [b for b in result.batch_sizes if b not in missed and b.steps_to_target.censored]
    edge = [b for b in result.batch_sizes if b.lr_on_edge and b not in missed]
    if missed:
        found.append(f"Batch size {_sizes(missed)} did not reach the target within the steps allowed.")
    if partly:
        found.append(
            f"At batch size {_sizes(partly)} some seeds did not reach the target; they count as infinitely long."
        )
    if edge:
        found.append(
            f"At batch size {_sizes(edge)} the best learning rate is at the edge of those tried; "
            "a better one may lie beyond."
        )
    if fit.s_min is None:
        found.append(f"There is no critical batch size: {fit.reason}.")
    elif not result.batch_sizes[0].batch_size <= fit.b_crit <= result.batch_sizes[-1].batch_size:
        found.append("The critical batch size lies outside the batch sizes tested, so it is an extrapolation.")
    if len(result.seeds) < 5:
        few = "A single seed has no interval" if len(result.seeds) == 1 else "Intervals of so few seeds are wide"
        found.append(f"{few}: use at least 5.")
    return found + timing_cautions(result)


def timing_cautions(result: StudyResult) -> list[str]:
    """State where step times look as if the machine had been busy, and where they do not lie on their line."""
    found: list[str] = []
    timing = result.timing
    if timing is None:
        return found
    if timing.falling:
        pairs = words.join([f"{small} to {large}" for small, large in timing.falling])
        found.append(
            f"From batch size {pairs} the time of a step falls, twice measured: the machine was busy, or its library "
            "changes method there."
        )
    if timing.cpu_share is not None and timing.cpu_share < QUIET:
        found.append(
            f"While steps were timed the processor worked {100 * timing.cpu_share:.0f}% of the time: the machine was "
            "busy with other work, and seconds are too long."
        )
    if timing.residual > MISFIT:
        found.append(
            f"Step times miss the line t0 + B/r by {100 * timing.residual:.0f}%, so that what follows from it is rough."
        )
    return found


def validation_cautions(result: StudyResult) -> list[str]:
    """State what the validation part is too small for, and what is too quickly reached to be compared."""
    found, base = [], result.baseline
    if base is not None and base.resolution is not None and base.resolution > FINE:
        found.append(
            f"The validation part is small: one of its {base.n_validation} examples more or less changes the "
            f"{result.target.metric_name} by {100 * base.resolution:.2g}%, so that neighbouring targets are the same."
        )
    quick = [b for b in result.batch_sizes if b.steps_to_target.median < MEASURABLE]
    if quick or not result.measurable:
        where = f"at batch size {_sizes(quick)}" if quick else "at the largest batch size"
        found.append(
            f"The target takes fewer than {MEASURABLE} updates {where}: too easy to tell batch sizes apart well."
        )
    return found


def _sizes(batches: list[BatchResult]) -> str:
    return words.join([str(b.batch_size) for b in batches])


def _setting(result: StudyResult) -> list[tuple[str, str]]:
    constant = [] if result.baseline is None else [("best constant answer", str(result.baseline))]
    return [
        ("data", f"{result.data} ({words.plural(result.n_train, 'training example')})"),
        ("model", result.model),
        ("optimizer", result.optimizer),
        *constant,
        ("target", str(result.target)),
        ("budget", result.budget),
        ("seeds", f"{len(result.seeds)}, the same for every batch size"),
    ]


def _row(b: BatchResult, result: StudyResult) -> dict[str, Any]:
    """Return a row of the table: what was measured at one batch size, in words."""
    got = b.steps_to_target
    return {
        "chosen": b.batch_size == result.recommendation.batch_size,
        "batch_size": f"{b.batch_size}",
        "full": b.full,
        "lr": f"{b.lr:.2g}" + (" *" if b.lr_on_edge else ""),
        "usable": f"{b.usable_lr_low:.2g} – {b.usable_lr_high:.2g}" if math.isfinite(got.median) else "–",
        "steps": _interval(got, words.count, f"> {words.count(b.max_steps)}"),
        "examples": _interval(b.examples_to_target, words.short, f"> {words.short(b.max_steps * b.batch_size)}"),
        "epochs": words.count(b.epochs_to_target.median) if math.isfinite(got.median) else "–",
        "seconds": _interval(b.seconds_to_target, words.seconds, f"> {words.seconds(b.max_steps * b.step_seconds)}"),
        "reached": f"{got.reached} of {got.reached + got.censored}",
        "step_seconds": words.seconds(b.step_seconds),
        "samples_per_second": words.short(b.samples_per_second),
        "memory": words.memory(b.memory_bytes),
        "train_loss": "–" if b.train_loss is None else f"{b.train_loss:.3g}",
        "val_accuracy": "–" if b.val_accuracy is None else f"{100 * b.val_accuracy:.1f}%",
    }


def _interval(got: CensoredMedian, say: Callable[[float], str], missed: str) -> tuple[str, str]:
    """Return a median and its interval as two texts; how far the runs were let go where they did not get there."""
    if not math.isfinite(got.median):
        return missed, "not reached"
    return say(got.median), interval(got, say)


def interval(got: CensoredMedian, say: Callable[[float], str]) -> str:
    """Return the ends of an interval in words: 80 – 120, ≥ 80 where it has no upper end, nothing for one seed."""
    if math.isnan(got.low):
        return ""
    if not math.isfinite(got.high):
        return f"≥ {say(got.low)}" if got.low > 0 else "not resolved"
    return f"{say(got.low)} – {say(got.high)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
