"""What each picture shows in this run, in one or two sentences with the run's own numbers."""

from __future__ import annotations

import math

from minisgd.lab import words
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.report.learning import tuned
from minisgd.lab.study.report.machine import memory_parts
from minisgd.lab.study.result import StudyResult

FAR = 2.0
"""Factor between the recommended batch size and the formula's that calls for a word."""

DEFINITION = (
    "The critical batch size Bcrit = Emin / Smin is where a run takes twice the fewest possible steps (Smin) and "
    "twice the fewest possible examples (Emin): below it a larger batch saves nearly its share of steps, above it "
    "nearly nothing. By another definition (Zhang et al. 2024) it is where steps exceed linear scaling by 20%, on this "
    "curve at 0.2 Emin / Smin."
)


def steps(result: StudyResult) -> str:
    reached = _reached(result)
    if not reached:
        return _unreached(result)
    first, last = reached[0], reached[-1]
    text = "A step is one update of the weights. "
    if result.fit.s_min is not None:
        text += (
            "On the dashed line doubling the batch halves the steps; where the points leave it, part of every batch is "
            "wasted. "
        )
    if first is not last:
        fewer = first.steps_to_target.median / last.steps_to_target.median
        text += (
            f"From batch size {first.batch_size} to {last.batch_size} the batch grows "
            f"{words.size(last.batch_size / first.batch_size)}-fold and the steps fall {words.size(fewer)}-fold, from "
            f"{words.count(first.steps_to_target.median)} to {words.count(last.steps_to_target.median)}. "
        )
    return text + critical(result)


def critical(result: StudyResult) -> str:
    """State the critical batch size by both definitions, which are explained, or why there is none."""
    fit = result.fit
    return f"{DEFINITION} {fit}" if fit.s_min is not None and 0 < fit.b_crit < math.inf else str(fit)


def examples(result: StudyResult) -> str:
    reached = _reached(result)
    if not reached:
        return _unreached(result)
    text = "The same runs counted in examples: this is the arithmetic that is paid for. "
    least = min(reached, key=lambda b: b.examples_to_target.median)
    most = max(reached, key=lambda b: b.examples_to_target.median)
    text += (
        f"Batch size {least.batch_size} needs the fewest, {words.count(least.examples_to_target.median)} "
        f"({words.count(least.epochs_to_target.median)} passes over the data)"
    )
    if most is least:
        return text + "."
    ratio = most.examples_to_target.median / least.examples_to_target.median
    return text + f"; batch size {most.batch_size} needs {words.count(ratio)} times as many."


def seconds(result: StudyResult) -> str:
    reached = _reached(result)
    best = next((b for b in result.batch_sizes if b.batch_size == result.recommendation.batch_size), None)
    if not reached or best is None:
        return _unreached(result)
    text = "Steps times the measured time of a step: lowest is best. "
    text += f"Batch size {best.batch_size} takes {words.seconds(best.seconds_to_target.median)}"
    slower = [
        f"{_name(b)} takes {words.size(b.seconds_to_target.median / best.seconds_to_target.median)} times as long"
        for b in dict.fromkeys((reached[0], reached[-1]))
        if b is not best
    ]
    text += "".join(f"; {phrase}" for phrase in slower) + ". "
    optimum = result.timing.time_optimal_batch if result.timing else None
    if optimum is not None and math.isfinite(optimum) and optimum > 0:
        text += f"The two fits together put the quickest batch at √(t0·r·Bcrit) = {words.size(optimum)}."
        text += _disagreement(result, best.batch_size, optimum)
    return text


def flops(result: StudyResult) -> str:
    """State what the arithmetic costs, whichever machine does it."""
    reached = _reached(result)
    if not reached:
        return _unreached(result)
    text = "Steps times the floating-point operations of a step, gradient and update: the bill on any machine. "
    least = min(reached, key=lambda b: b.steps_to_target.median * (b.step_flops or math.inf))
    total = least.steps_to_target.median * (least.step_flops or math.inf)
    return text + f"{_name(least).capitalize()} needs the fewest, {words.short(total)}."


def _disagreement(result: StudyResult, star: int, optimum: float) -> str:
    """Explain, where the recommended batch size and the formula are far apart, which to believe."""
    timing, fit = result.timing, result.fit
    if timing is None or max(star / optimum, optimum / star) < FAR:
        return ""
    text = (
        f" The star is at {star} instead, because it is the fastest of those measured, while the formula believes two "
        f"curves that miss the measurements by {100 * (fit.residual or 0):.0f}% (steps) and "
        f"{100 * timing.residual:.0f}% (step times), and near its lowest point time hardly depends on the batch size"
    )
    low, high = timing.time_optimal_low, timing.time_optimal_high
    if low is not None and high is not None:
        text += f"; the formula's 95% interval is {words.size(low)} to {words.size(high)}"
    return text + "."


def learning_rate(result: StudyResult) -> str:
    if not _reached(result):
        return "No learning rate reached the target; drawn are those that ended with the lowest loss."
    shown = tuned(result)
    first, last = shown[0], shown[-1]
    text = "The thick bars span the learning rates that need at most twice the fewest steps. "
    if first is last:
        return text + f"At batch size {first.batch_size} the best is {words.number(first.lr)}."
    power = math.log(last.lr / first.lr) / math.log(last.batch_size / first.batch_size)
    surge = "" if result.surge is None else f" {result.surge}"
    return text + (
        f"The best goes from {words.number(first.lr)} at batch size {first.batch_size} to {words.number(last.lr)} at "
        f"{last.batch_size}, on average as B to the power {power:.2f}; the linear rule says 1, the square-root rule "
        f"0.5.{surge}"
    )


def heatmap(result: StudyResult) -> str:
    text = (
        "Each column is a batch size, each cell a learning rate; dark is close to the best of its column, and the "
        "number is the median of its steps to the target. Below is the learning curve of each cell, the best of each "
        "column stronger. "
    )
    if not _reached(result):
        return text + "Here no cell did."
    shown = tuned(result)
    narrow = min(shown, key=lambda b: b.usable_lr_decades)
    wide = max(shown, key=lambda b: b.usable_lr_decades)
    if wide.usable_lr_decades > narrow.usable_lr_decades + 1e-9:
        text += (
            f"The usable range is widest at batch size {wide.batch_size} ({_times(wide)} from end to end) and "
            f"narrowest at {narrow.batch_size} ({_times(narrow)})."
        )
    else:
        text += f"The usable range spans {_times(wide)} from end to end at every batch size that got there."
    return text


def throughput(result: StudyResult) -> str:
    line = result.timing
    if line is None:
        only = result.batch_sizes[0]
        return f"A step of {only.batch_size} examples takes {words.seconds(only.step_seconds)}."
    if line.t0_seconds == 0 or math.isinf(line.examples_per_second):
        limit = "no fixed cost a step" if line.t0_seconds == 0 else "no cost of an example"
        return f"The times show {limit}, so there is no knee: the machine likes all these batch sizes alike."
    text = (
        f"A step costs {words.seconds(line.t0_seconds)} however small the batch, and the machine passes at most "
        f"{words.short(line.examples_per_second)} examples a second. "
    )
    if line.knee <= result.batch_sizes[0].batch_size:
        return text + "From the smallest batch on, twice the batch takes nearly twice the time."
    if line.knee >= result.batch_sizes[-1].batch_size:
        return text + "Up to the largest batch tested, a larger batch is nearly free."
    return text + (
        f"Left of the knee at {words.size(line.knee)} a larger batch is nearly free; right of it twice the batch takes "
        "nearly twice the time."
    )


def memory(result: StudyResult) -> str:
    parts = memory_parts(result)
    least = min(result.batch_sizes, key=lambda b: b.memory_bytes)
    most = max(result.batch_sizes, key=lambda b: b.memory_bytes)
    if least is most:
        return f"Batch size {least.batch_size} needs {words.memory(least.memory_bytes)}."
    text = f"From {words.memory(least.memory_bytes)} at batch size {least.batch_size} to "
    text += f"{words.memory(most.memory_bytes)} at {most.batch_size}. "
    if parts is None:
        return text
    return text + (
        f"Of it {words.memory(parts[0])} (weights, gradients, optimizer state) are needed whatever the batch, and "
        f"every example adds {words.memory(parts[1])}."
    )


def curves(result: StudyResult) -> str:
    text = "One training run at the best learning rate of each batch size. "
    reached = _reached(result)
    if not reached:
        return text + "No curve crosses the dashed line."
    if len(reached) == 1:
        return text + f"Only {_name(reached[0])} crosses the dashed line."
    by_steps = min(reached, key=lambda b: b.steps_to_target.median)
    by_examples = min(reached, key=lambda b: b.examples_to_target.median)
    by_seconds = min(reached, key=lambda b: b.seconds_to_target.median)
    return text + (
        f"Counted in steps {_name(by_steps)} is first across the dashed line, counted in examples "
        f"{_name(by_examples)}, counted in time {_name(by_seconds)}."
    )


def _times(b: BatchResult) -> str:
    return f"a factor {10**b.usable_lr_decades:.2g}"


def _name(b: BatchResult) -> str:
    return "the full batch" if b.full else f"batch size {b.batch_size}"


def _reached(result: StudyResult) -> list[BatchResult]:
    """Return the batch sizes that reached the target, in ascending order."""
    return [b for b in result.batch_sizes if b.reached]


def _unreached(result: StudyResult) -> str:
    return f"No batch size reached {result.target}; open triangles show how far the runs were let go."
