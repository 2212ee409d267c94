"""What the machine does with a batch: seconds and examples a second, and bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.instruments.memory.picture import draw_parts
from minisgd.lab.instruments.throughput.picture import draw_line
from minisgd.lab.plots import INK, Axes, Figure
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.report.axes import batch_axis, mark, name
from minisgd.lab.study.result import StudyResult
from minisgd.lab.timing.fit import fit_affine
from minisgd.typing import HostArray


def draw_throughput(result: StudyResult) -> Figure:
    """Draw t(B) = t0 + B/r and the examples a second B / t(B), which cannot exceed r; the knee is at B = t0·r."""
    page, (left, right) = plots.figure("Step time and throughput", columns=2, wspace=0.24, right=0.955)
    sizes = _sizes(result)
    times = np.array([b.step_seconds for b in result.batch_sizes])
    keys = [plots.key("measured", ls="", marker="o", ms=7, color=INK)]
    for ax in (left, right):
        batch_axis(ax, result, columns=2)
    line = result.timing
    if line is not None:
        keys += draw_line(left, right, sizes, line.t0_seconds, line.examples_per_second, line.knee)
    _marks(left, result, times, _step)
    _marks(right, result, sizes / times, _step)
    plots.log_axis(left, *plots.spread(times.tolist()), words.seconds, "time of a step")
    plots.log_axis(right, *plots.spread((sizes / times).tolist()), words.short, "examples a second")
    plots.legend(page, keys, columns=4)
    return page


def draw_memory(result: StudyResult) -> Figure:
    """Draw the bytes of a training step: what every batch size needs, and what each example adds."""
    page, ax = plots.figure("Memory of a training step")
    batch_axis(ax, result)
    sizes = _sizes(result)
    total = np.array([b.memory_bytes for b in result.batch_sizes], dtype=np.float64)
    keys = [plots.key("planned", ls="", marker="o", ms=7, color=INK)]
    parts = memory_parts(result)
    seen = total.tolist()
    if parts is not None:
        fixed, each = parts
        keys += draw_parts(ax, sizes[0], sizes[-1], fixed, each)
        seen.append(fixed / 3 if fixed > 0 else seen[0])
    _marks(ax, result, total, lambda b: words.memory(b.memory_bytes))
    plots.log_axis(ax, *plots.spread(seen, 2, 2), words.memory, "bytes", base=2)
    plots.legend(page, keys, columns=4)
    return page


def memory_parts(result: StudyResult) -> tuple[float, float] | None:
    """Split the bytes into a fixed part and one per example; None where they do not lie on such a line.

    They do unless a memory limit made some batch sizes train in micro-batches.
    """
    if len(result.batch_sizes) < 2:
        return None
    total = np.array([b.memory_bytes for b in result.batch_sizes], dtype=np.float64)
    fixed, each, residual = map(float, fit_affine(_sizes(result), total))
    return (fixed, each) if residual < 0.05 and each > 0 else None


def _marks(ax: Axes, result: StudyResult, heights: HostArray, text: Callable[[BatchResult], str]) -> None:
    """Draw the points of all batch sizes, and what they say. heights (K,)"""
    for b, height in zip(result.batch_sizes, heights, strict=True):
        mark(ax, b, height, result, f"{name(b)}\n{text(b)}")


def _step(b: BatchResult) -> str:
    """Say how long a step takes, with its interval, and how many examples a second that is."""
    text = f"{words.seconds(b.step_seconds)} a step"
    if b.step_seconds_low is not None and b.step_seconds_high is not None:
        text += f"\n95% interval {words.interval(b.step_seconds_low, b.step_seconds_high, words.seconds)}"
    return f"{text}\n{words.short(b.samples_per_second)} examples a second"


def _sizes(result: StudyResult) -> HostArray:
    return np.array([b.batch_size for b in result.batch_sizes], dtype=np.float64)
