"""One look for the pictures of the examples, and the one option that they share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter

# Okabe and Ito's palette: distinct for colour-blind readers
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7b8794"

LOOK = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "axes.axisbelow": True,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "font.size": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


def panels(*titles: str, rows: int = 1) -> tuple[Any, list[Any]]:
    """Return a figure and its axes, one a title, row by row."""
    columns = len(titles) // rows
    plt.rcParams.update(LOOK)
    figure, axes = plt.subplots(rows, columns, figsize=(4.6 * columns, 3.7 * rows), squeeze=False, layout="constrained")
    for ax, title in zip(axes.flat, titles, strict=True):
        ax.set_title(title)
    return figure, list(axes.flat)


def save(figure: Any, out: Path) -> None:
    """Write the picture, with plain numbers on logarithmic axes, and say where."""
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) if axis.get_scale() == "log"):
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 200 else (1,)))
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        axis.set_minor_formatter(NullFormatter())
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100, metadata={"Software": None}, pil_kwargs={"optimize": True})
    plt.close(figure)
    print(f"\n{out}")


def arguments(script: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of --out, by default images/NAME.png beside the script."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(script).resolve()
    parser.add_argument("--out", type=Path, default=here.parent / "images" / f"{here.stem}.png", help="the picture")
    return parser
