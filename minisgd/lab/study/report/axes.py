"""The axis of batch sizes that the pictures of a study share, and its points."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import plots
from minisgd.lab.page import say
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.result import StudyResult


def name(b: BatchResult) -> str:
    """Say which batch size it is, at the beginning of what is behind a point."""
    return f"batch size {b.batch_size}" + (" (full)" if b.full else "")


def link(b: BatchResult, lr: float | None = None) -> str:
    """Return the word by which the page lights what belongs to a batch size, or to a learning rate at it, together."""
    return f"B{b.batch_size}" if lr is None else f"B{b.batch_size}-{lr:.9g}"


def mark(ax: plots.Axes, b: BatchResult, height: float, result: StudyResult, text: str) -> None:
    """Draw the point of a batch size, the recommended one in its own colour, and what it says."""
    chosen = b.batch_size == result.recommendation.batch_size
    look = dict(marker="*", ms=17, color=plots.ORANGE) if chosen else dict(marker="o", ms=7, color=plots.INK)
    (point,) = ax.plot(b.batch_size, height, ls="", mec="white", mew=0.8, zorder=5 if chosen else 4, **look)
    say(point, [text], link(b))


def batch_axis(ax: plots.Axes, result: StudyResult, columns: int = 1) -> None:
    """Put a logarithmic axis of batch sizes below, a tick at each one tested; the full batch is called so.

    Where ticks crowd, the recommended batch size keeps its label, and the others as far as there is room. `columns`
    is the number of panels that share the width.
    """
    batches = result.batch_sizes
    sizes = np.array([b.batch_size for b in batches], dtype=np.float64)
    wide = max(math.log(sizes[-1] / sizes[0]), 1.0)
    ax.set_xscale("log")
    ax.set_xlim(sizes[0] * math.exp(-0.05 * wide), sizes[-1] * math.exp(0.05 * wide))
    labels: dict[int, str] = {}
    taken: list[tuple[float, float]] = []  # places and half widths, in parts of the axis
    for b in sorted(reversed(batches), key=lambda b: (b.batch_size != result.recommendation.batch_size, not b.full)):
        place, text = math.log(b.batch_size / sizes[0]) / wide, f"{b.batch_size}"
        if b.full and len(sizes) > 1 and sizes[-1] < 2.5 * sizes[-2]:
            labels[b.batch_size] = f"\n{text} = full"  # on a line of its own, clear of its neighbour
            continue
        half = 0.0065 * (len(text) + 0.75) * columns
        if all(abs(place - other) > half + width for other, width in taken):
            labels[b.batch_size] = f"{text}\nfull" if b.full else text
            taken.append((place, half))
    plots.fixed_ticks(ax.xaxis, sizes, [labels.get(b.batch_size, "") for b in batches])
    ax.set_xlabel("batch size", fontsize=9.5, color=plots.INK, labelpad=2)
