"""One look for every picture: figure, colours, axes of batch sizes, ticks that are plain numbers.

Pictures are made of matplotlib's objects and never of pyplot, which keeps global state. Margins are fixed,
so that no layout has to be solved by drawing twice.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Any

from minisgd.errors import missing_extra
from minisgd.lab import words

# Okabe and Ito's palette, which stays distinct for colour-blind readers, with greys for what is only context
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, GREY, FAINT = "#1f2933", "#7b8794", "#e4e7eb"
DPI = 130
WIDTH, HEIGHT = 8.6, 4.7

Figure = Any
Axes = Any


def figure(
    title: str,
    columns: int = 1,
    height: float = HEIGHT,
    rows: int = 1,
    height_ratios: Sequence[float] | None = None,
    **layout: Any,
) -> tuple[Figure, Any]:
    """Make a white figure with a title at its left and bare axes below it, row by row, room for a legend between."""
    fix = "pip install 'minisgd[report]'"
    with missing_extra("matplotlib", expected="installed, to draw the report", got="no such package", fix=fix):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as MatplotlibFigure
    page = MatplotlibFigure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(page)
    page.text(0.018, 1 - 0.17 / height, title, fontsize=12.5, fontweight="bold", color=INK, va="top")
    page.subplots_adjust(**(dict(left=0.1, right=0.975, top=1 - 1.0 / height, bottom=0.64 / height) | layout))
    axes = page.subplots(rows, columns, squeeze=False, height_ratios=height_ratios).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(GREY)
        ax.tick_params(colors=INK, labelsize=9, length=3, color=GREY)
        ax.grid(True, color=FAINT, linewidth=0.8)
        ax.set_axisbelow(True)
        for axis in (ax.xaxis, ax.yaxis):
            axis.label.set(fontsize=9.5, color=INK)
    return page, axes[0] if axes.size == 1 else axes


def png(page: Figure) -> bytes:
    """Render a figure to the bytes of a PNG file, the same bytes for the same figure."""
    file = io.BytesIO()
    page.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def legend(page: Figure, handles: Sequence[Any], columns: int = 4) -> None:
    """Put the key in rows between title and axes, where it can hide nothing, and the axes right below it."""
    height = page.get_figheight()
    page.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=(0.01, 1 - 0.44 / height),
        ncols=columns,
        frameon=False,
        fontsize=8.8,
        labelcolor=INK,
        handlelength=1.9,
        columnspacing=1.5,
        borderaxespad=0.0,
        handletextpad=0.6,
    )
    page.subplots_adjust(top=1 - (0.62 + 0.18 * math.ceil(len(handles) / columns)) / height)


def key(label: str, **look: Any) -> Any:
    """Make an entry of the key that looks like a line or a mark."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **look)


def patch(label: str, **look: Any) -> Any:
    """Make an entry of the key that looks like an area."""
    from matplotlib.patches import Patch

    return Patch(label=label, **look)


def log_axis(
    ax: Axes,
    low: float,
    high: float,
    say: Callable[[float], str],
    label: str,
    which: str = "y",
    most: int = 8,
    base: int = 10,
) -> None:
    """Scale the x or y axis logarithmically over [low, high], with at most `most` ticks at round numbers."""
    (ax.set_yscale if which == "y" else ax.set_xscale)("log")
    (ax.set_ylim if which == "y" else ax.set_xlim)(low, high)
    axis = ax.yaxis if which == "y" else ax.xaxis
    setattr(ax, f"say_{which}", say)
    ticks = round_numbers(low, high, most, base)
    fixed_ticks(axis, ticks, [say(tick) for tick in ticks])
    axis.set_label_text(label)


def batch_axis(ax: Axes, sizes: Sequence[float], base: int = 2) -> None:
    """Scale the x axis logarithmically about some batch sizes."""
    log_axis(ax, *spread(sizes, 1.05, 1.05), words.size, "batch size", which="x", base=base)


def round_numbers(low: float, high: float, most: int = 8, base: int = 10) -> list[float]:
    """Return the finest set of round numbers in [low, high] that has at most `most` of them."""
    powers = range(math.floor(math.log(low, base)), math.ceil(math.log(high, base)) + 1)
    between = (
        (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
        (1.0, 1.5, 2.0, 3.0, 5.0),
        (1.0, 2.0, 5.0),
        (1.0, 3.0),
    )
    for digits in (*(between if base == 10 else ()), (1.0,)):
        ticks = [digit * float(base) ** power for power in powers for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


def spread(values: Sequence[float], below: float = 1.25, above: float = 1.25) -> tuple[float, float]:
    """Return limits of a logarithmic axis that leave some room about the positive finite values."""
    known = [v for v in values if math.isfinite(v) and v > 0] or [1.0]
    low, high = min(known), max(known)
    pad = max((high / low) ** 0.06, 1.05)
    return low / pad / below, high * pad * above


def words_of(ax: Axes, which: str) -> Callable[[float], str]:
    """Return the function that says the numbers of the x or y axis, as its ticks do; three digits by default."""
    return getattr(ax, f"say_{which}", words.number)


def ramp(number: int) -> list[Any]:
    """Return `number` colours that run from dark to light and are told apart by brightness alone."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.9 * i / max(number - 1, 1)) for i in range(number)]


def fixed_ticks(axis: Any, places: Any, labels: Sequence[str]) -> None:
    """Put ticks at these places of an axis and nowhere else."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(FixedFormatter(list(labels)))
    axis.set_minor_locator(NullLocator())
