"""Pictures that many claims share. Axes come in; nothing is imported from matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minisgd.lab import words
from minisgd.lab.page import say
from minisgd.lab.plots import BLUE, GREEN, GREY, INK, ORANGE, log_axis, spread
from minisgd.typing import HostArray

Axes = Any


def against_batch(
    ax: Axes,
    batch_sizes: Sequence[int],
    table: HostArray,
    label: str,
    *,
    color: str = BLUE,
    name: str | None = None,
    log: bool = True,
) -> None:
    """Draw a quantity against batch size: every seed as a dot, the medians as a line.  table (K, S)"""
    sizes = np.asarray(batch_sizes, float)
    table = np.where(np.isfinite(table), table, np.nan)
    for dots in ax.plot(sizes, table, ls="", marker="o", ms=3, color=color, alpha=0.35):
        say(dots, ())
    medians = np.median(table, axis=1)  # NaN, and so no line, where a seed has no value
    (line,) = ax.plot(sizes, medians, marker="o", ms=6, mec="white", mew=0.8, lw=1.8, color=color, label=name)
    known = [(b, row) for b, row in zip(batch_sizes, table, strict=True) if np.isfinite(row).all()]
    say(line, [_seeds(name or label, b, row, _words(label)) for b, row in known])
    batch_axis(ax, batch_sizes)
    if log:
        _log_axis(ax, table, label)
    else:
        ax.set_ylabel(label)
    if name:
        legend(ax)


def each_against_batch(
    ax: Axes,
    batch_sizes: Sequence[int],
    tables: Mapping[str, HostArray],
    label: str,
    *,
    colors: Sequence[str] = (BLUE, ORANGE, GREEN),
    log: bool = True,
) -> None:
    """Draw several quantities against batch size, by their names.  tables (K, S) each"""
    for (name, table), color in zip(tables.items(), colors, strict=False):
        against_batch(ax, batch_sizes, table, label, color=color, name=name, log=log)


def _seeds(name: str, batch_size: int, row: HostArray, written: Callable[[float], str]) -> str:
    """Say what the seeds found at a batch size.  row (S,)"""
    text = f"{name}\nbatch size {batch_size}: {written(float(np.median(row)))}"
    ends = words.interval(float(row.min()), float(row.max()), written)
    return text if len(row) == 1 else f"{text}, the median of {len(row)} seeds\nthe seeds: {ends}"


def _words(label: str) -> Callable[[float], str]:
    return words.seconds if "seconds" in label else words.memory if "bytes" in label else _short


def _log_axis(ax: Axes, table: HostArray, label: str) -> None:
    """Scale the axis of values logarithmically, about these and what was drawn before, with plain ticks."""
    drawn = [float(y) for line in ax.get_lines() for y in np.asarray(line.get_ydata(), float)]
    base = 2 if _words(label) is words.memory else 10
    log_axis(ax, *spread([*drawn, *table.ravel().tolist()]), _words(label), label, base=base)


def _short(value: float) -> str:
    return words.short(value) if value >= 1 else words.number(value)


def reference(ax: Axes, x: HostArray, y: HostArray, name: str) -> None:
    """Draw what theory or no effect would look like, dashed."""
    ax.plot(x, y, color=GREY, lw=1.4, ls=(0, (5, 3)), label=name)
    legend(ax)


def legend(ax: Axes, **place: Any) -> None:
    """Put a key inside the picture."""
    ax.legend(frameon=False, fontsize=8.8, labelcolor=INK, **place)


def batch_axis(ax: Axes, batch_sizes: Sequence[int]) -> None:
    """Put a logarithmic axis of batch sizes below, with a tick at each one."""
    ax.set_xscale("log")
    ax.set_xticks(list(batch_sizes), labels=[str(b) for b in batch_sizes], minor=False)
    ax.set_xticks([], minor=True)
    ax.set_xlabel("batch size")
