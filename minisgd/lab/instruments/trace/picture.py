"""``ms.draw_trace``: the layers of a network while it trained, in four panels that share the axis of steps."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.files import write_atomically
from minisgd.lab import plots, words
from minisgd.lab.page import say
from minisgd.training.trace import TraceResult
from minisgd.typing import HostArray

HEALTHY = 1e-3
"""The update-to-weight ratio that is customary: a line to compare with, no verdict."""

COLUMNS = 4

SEEN = 60
"""Steps below which each is marked, to be looked into."""


def draw_trace(trace: TraceResult, path: str | Path) -> Path:
    """Draw a trace as a PNG: activations, gradients, update-to-weight ratios and dead units of every layer by step.

    Layers run from dark (first) to light (last); activations without parameters of their own are dashed.

    Args:
        trace: What a ``Trace`` recorded.
        path: The PNG file to write.

    Returns:
        The path.

    Raises:
        OutputError: The file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    return write_atomically(path, plots.png(figure_of(trace)), "path")


def figure_of(trace: TraceResult) -> Any:
    """Return the figure that ``draw_trace`` writes."""
    rows = ceil(len(trace.layers) / COLUMNS)
    height = 6.4 + 0.18 * rows
    page, axes = plots.figure(
        "Inside the network while it trained", 2, height, rows=2, wspace=0.26, hspace=0.34, left=0.085, bottom=0.075
    )
    panels = (
        (trace.activation, "norm of an example's activation", words.short),
        (trace.gradient, "norm of the gradient", words.short),
        (trace.ratio, "update / weight", words.short),
    )
    looks = _looks(trace)
    for ax, (norms, label, written) in zip(axes, panels, strict=False):
        _lines(ax, trace, norms, looks)
        seen = norms[np.isfinite(norms) & (norms > 0)].tolist()
        if label.startswith("update"):
            ax.axhline(HEALTHY, color=plots.GREY, lw=1.2, ls=(0, (1, 2)))
            seen.append(HEALTHY)
        plots.log_axis(ax, *plots.spread(seen), written, label, most=6)
    _lines(axes[3], trace, 100 * trace.dead, looks)
    most = float(np.nanmax(trace.dead)) if np.isfinite(trace.dead).any() else 0.0
    axes[3].set_ylim(-2, max(10.0, min(102.0, 115 * most)))
    axes[3].set_ylabel("dead ReLU units, %", fontsize=9.5, color=plots.INK)
    for ax in axes[2:]:
        ax.set_xlabel("step", fontsize=9.5, color=plots.INK, labelpad=2)
    page.align_ylabels(axes)
    keys = [plots.key(name, **look) for name, look in zip(trace.layers, looks, strict=True)]
    keys.append(plots.key(f"update = {HEALTHY:g} weight", color=plots.GREY, lw=1.2, ls=(0, (1, 2))))
    plots.legend(page, keys, columns=COLUMNS)
    return page


def _looks(trace: TraceResult) -> list[dict[str, Any]]:
    """Return the look of every layer: brightness tells its depth, a broken line that it has nothing to learn."""
    learns = {layer for layer, _ in trace.tensors}
    return [
        {"color": color, "lw": 1.6, "ls": "-" if name in learns else (0, (4, 1.5))}
        for name, color in zip(trace.layers, plots.ramp(len(trace.layers)), strict=True)
    ]


def _lines(ax: Any, trace: TraceResult, norms: HostArray, looks: list[dict[str, Any]]) -> None:
    """Draw a line for every layer that has the quantity.  norms (T, L)"""
    mark = "o" if len(trace) < SEEN else None
    for layer, values, look in zip(trace.layers, norms.T, looks, strict=True):
        if np.isfinite(values).any():
            (line,) = ax.plot(trace.steps, values, marker=mark, ms=3, **look)
            known = [(s, v) for s, v in zip(trace.steps.tolist(), values.tolist(), strict=True) if np.isfinite(v)]
            say(line, [f"{layer}\nstep {s:,}: {words.number(v)}" for s, v in known] if mark else ())
