"""The map of all learning rates at all batch sizes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.page import say
from minisgd.lab.plots import GREY, INK, ORANGE, Axes, Figure
from minisgd.lab.study.batch_result import BatchResult, LearningRateResult
from minisgd.lab.study.report.axes import link, name
from minisgd.lab.study.report.learning import curve_axes, draw_curve
from minisgd.lab.study.report.scaling import units
from minisgd.lab.study.result import StudyResult
from minisgd.typing import HostArray

HEIGHT = 8.0
WORST = 10.0
"""The colours end at this multiple of the fewest steps."""
EMPTY, EMPTY_EDGE = "#f1f3f5", "#c4cbd3"
ON_DARK, ON_LIGHT = "#fefefe", "#101418"
"""Ink of the numbers in the cells, whose colours are the same on a dark page."""


def draw_heatmap(result: StudyResult) -> Figure:
    """Draw every learning rate at every batch size: median steps, coloured by how far from the best of its column.

    Below are the learning curves of all cells, which the page lights together with their cells.
    """
    page, (ax, below) = plots.figure(
        "Median steps to target, at every learning rate and batch size",
        height=HEIGHT,
        rows=2,
        right=0.87,
        hspace=0.26,
        height_ratios=(5, 3),
    )
    ax.grid(False)
    grids = [b.lr_grid for b in result.batch_sizes]
    edges = [_edges(grid) for grid in grids]
    for column, (b, edge) in enumerate(zip(result.batch_sizes, edges, strict=True)):
        _column(ax, column, b, edge, result)
    limits = np.concatenate(edges)
    plots.log_axis(ax, limits.min(), limits.max(), words.number, "learning rate")
    names = [f"{b.batch_size}" + ("\nfull" if b.full else "") for b in result.batch_sizes]
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_xticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.set_xlabel("batch size", fontsize=9.5, color=INK, labelpad=2)
    keys = [
        plots.patch("best of its column", facecolor="white", edgecolor=ORANGE, lw=2),
        plots.patch("not reached", facecolor=EMPTY, edgecolor=EMPTY_EDGE),
        plots.patch("diverged", facecolor=EMPTY, edgecolor=EMPTY_EDGE, hatch="/////"),
    ]
    plots.legend(page, keys, columns=4)
    _colour_bar(page)
    _curves(below, result)
    return page


def _curves(ax: Axes, result: StudyResult) -> None:
    """Draw the learning curve of every cell in grey over steps, the best of each batch size in ink."""
    steps, seen = units(result)[0], list[float]()
    for b in result.batch_sizes:
        for row in b.lr_grid:
            if len(row.curve.steps) > 1:
                look = dict(color=INK, lw=1.3, zorder=3) if row.lr == b.lr else dict(color=GREY, lw=0.7, alpha=0.5)
                seen += draw_curve(ax, row.curve, 1.0, _said(b, row, result), link(b, row.lr), **look)
    curve_axes(ax, result, list(result.batch_sizes), seen, steps)
    ax.set_ylabel(result.target.metric_name, fontsize=9.5, color=INK)


def _said(b: BatchResult, row: LearningRateResult, result: StudyResult) -> str:
    """Say what happened in a cell: steps, seeds, loss."""
    found = f"{words.count(row.median_steps)} steps to the target"
    if not math.isfinite(row.median_steps):
        found = "diverged" if 2 * row.diverged >= row.seeds else "target not reached"
    seeds = f"{row.reached} of {words.plural(row.seeds or len(result.seeds), 'seed')} reached it"
    loss = "" if row.train_loss is None else f"\ntraining loss {words.number(row.train_loss)} at the end"
    return f"{name(b)}, learning rate {words.number(row.lr)}\n{found}\n{seeds}{loss}"


def _edges(grid: tuple[LearningRateResult, ...]) -> HostArray:
    """Return the borders between the cells of a column, halfway between learning rates in the logarithm. (L+1,)"""
    at = np.log([row.lr for row in grid])
    middle = (at[1:] + at[:-1]) / 2
    half = (at[1] - at[0]) / 2 if len(at) > 1 else 0.3
    last = (at[-1] - at[-2]) / 2 if len(at) > 1 else 0.3
    return np.asarray(np.exp(np.concatenate([[at[0] - half], middle, [at[-1] + last]])))


def _column(ax: Axes, column: int, b: BatchResult, edge: HostArray, result: StudyResult) -> None:
    from matplotlib.patches import Rectangle

    seeds = len(result.seeds)
    fewest = min(row.median_steps for row in b.lr_grid)
    for row, low, high in zip(b.lr_grid, edge[:-1], edge[1:], strict=True):
        cell: dict[str, Any] = dict(facecolor=EMPTY, edgecolor=EMPTY_EDGE, lw=0.0)
        if math.isfinite(row.median_steps):
            shade = math.log(row.median_steps / fewest) / math.log(WORST)
            cell["facecolor"] = _colours()(min(shade, 1.0))
            ink = ON_DARK if shade < 0.55 else ON_LIGHT
            text = words.short(row.median_steps) + ("" if row.reached == seeds else f"\n{row.reached} of {seeds}")
            ax.text(
                column, math.sqrt(low * high), text, ha="center", va="center", fontsize=8, color=ink, linespacing=1.0
            )
        elif 2 * row.diverged >= seeds:
            cell["hatch"] = "/////"
        patch = ax.add_patch(Rectangle((column - 0.49, low * 1.01), 0.98, high - low * 1.01, **cell))
        say(patch, [_said(b, row, result)], link(b, row.lr) + (f" {link(b)}" if row.lr == b.lr else ""))
        if row.lr == b.lr and math.isfinite(fewest):
            ax.add_patch(
                Rectangle((column - 0.48, low * 1.02), 0.96, high - low * 1.02, fill=False, ec=ORANGE, lw=2.4, zorder=3)
            )


def _colours() -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"]


def _colour_bar(page: Figure) -> None:
    """Draw the scale of the colours at the right: times the fewest steps at that batch size."""
    ax = page.add_axes((0.9, 0.53, 0.018, 0.26))
    ax.imshow(np.linspace(0, 1, 128)[:, None], aspect="auto", origin="lower", cmap=_colours(), extent=(0, 1, 0, 1))
    ax.set_xticks([])
    ticks = (1, 2, 5, 10)
    ax.set_yticks([math.log(t) / math.log(WORST) for t in ticks], [f"{t}×" for t in ticks[:-1]] + [f"{ticks[-1]}×+"])
    ax.yaxis.tick_right()
    ax.tick_params(labelsize=8.5, colors=INK, length=0)
    ax.set_title("steps, times\nthe fewest", fontsize=8.5, color=INK, loc="left", pad=8)
    for spine in ax.spines.values():
        spine.set_visible(False)
