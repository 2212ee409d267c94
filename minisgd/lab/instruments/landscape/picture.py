"""Pictures of the loss along a line and on a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.plots import BLUE, GREY, INK, ORANGE, Axes, Figure
from minisgd.typing import HostArray

if TYPE_CHECKING:
    from minisgd.lab.instruments.landscape.line import LossLine
    from minisgd.lab.instruments.landscape.plane import LossPlane

STEEP = 30.0
"""From this ratio of highest to lowest loss on, the axis is logarithmic."""

LEVELS = 14
"""Contour lines of a plane."""

WIDE, HIGH, LEFT, SIDE = 7.2, 6.4, 0.115, 0.689
"""Inches of the picture of a plane, and the left edge and the width of the plane, which make it a square."""

DASHED = (0, (4, 3))


def caption_of(what: str, loss: HostArray, examples: int | None) -> str:
    """Say what a picture shows: from where to where the losses go, and of how many examples they are."""
    known = loss[np.isfinite(loss)]
    ends = f"from {words.number(known.min())} to {words.number(known.max())}" if known.size else "not finite"
    return f"The mean loss on the {what} is {ends}" + (f", of {examples:,} examples." if examples else ".")


def draw_line(line: LossLine) -> Figure:
    """Draw the loss against t, on training and validation examples, and mark the networks."""
    between = line.ends == "networks"
    page, ax = plots.figure("Loss between two networks" if between else "Loss along a direction")
    t = np.array(line.t)
    curves = [("training examples", BLUE, np.array(line.loss))]
    if line.val_loss is not None:
        curves.append(("validation examples", ORANGE, np.array(line.val_loss)))
    for _, colour, loss in curves:
        ax.plot(t, np.where(np.isfinite(loss), loss, np.nan), color=colour, lw=2)
    for place in (0.0, 1.0) if between else (0.0,):
        ax.axvline(place, color=GREY, lw=1, ls=DASHED, zorder=1)
        for _, colour, loss in curves:
            ax.plot(place, np.interp(place, t, loss), marker="o", ms=7, mfc="white", mec=colour, mew=1.8, zorder=4)
    _loss_axis(ax, np.concatenate([loss for _, _, loss in curves]))
    ax.set_xlim(t[0], t[-1])
    places = "first network at 0, second at 1" if between else "network at 0"
    unit = f"one unit is {words.number(line.length)} in parameter space"
    ax.set_xlabel(f"t: {places}; {unit}", fontsize=9.5, color=INK)
    keys = [plots.key(name, color=colour, lw=2) for name, colour, _ in curves]
    plots.legend(page, [*keys, plots.key("network", ls="", marker="o", ms=7, mfc="white", mec=INK)])
    return page


def _loss_axis(ax: Axes, loss: HostArray) -> None:
    known = loss[np.isfinite(loss)]
    if known.size and known.min() > 0 and known.max() > STEEP * known.min():
        plots.log_axis(ax, *plots.spread(known.tolist()), words.number, "mean loss")
    else:
        ax.set_ylabel("mean loss", fontsize=9.5, color=INK)
        ax.set_ylim(bottom=min(0.0, float(known.min())) if known.size else 0.0)


def draw_plane(plane: LossPlane) -> Figure:
    """Draw the loss as coloured contours over the plane, with networks and path on it."""
    from matplotlib.patheffects import withStroke

    titles = {
        "random": "Loss around the network, in two random directions",
        "chosen": f"Loss {'along the path of training' if plane.path else 'around the network, in two directions'}",
        "through": "Loss on the plane through three networks",
    }
    page, ax = plots.figure(titles[plane.kind], height=HIGH, left=LEFT, right=LEFT + SIDE)
    page.set_size_inches(WIDE, HIGH)
    ax.grid(False)
    shown = np.where(np.isfinite(plane.loss), plane.loss, np.nan).T
    levels, logarithmic = _levels(shown)
    colours = _contours(ax, plane, shown, levels, logarithmic)
    _colour_bar(page, colours, levels, logarithmic)
    keys = []
    if plane.path:
        ax.plot(*np.array(plane.path).T, color="white", lw=3.2, zorder=3, solid_joinstyle="round")
        ax.plot(*np.array(plane.path).T, color=ORANGE, lw=1.6, marker="o", ms=2.5, zorder=4)
        keys.append(plots.key("path of the training run", color=ORANGE, lw=1.6, marker="o", ms=3))
    for number, (x, y) in enumerate(plane.points, 1):
        ax.plot(x, y, marker="o", ms=8, mfc="white", mec=INK, mew=1.8, zorder=5)
        if len(plane.points) > 1:
            text = ax.annotate(f"{number}", (x, y), (7, 6), textcoords="offset points", color=INK, weight="bold")
            text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    keys.append(
        plots.key("network" if len(plane.points) == 1 else "networks", ls="", marker="o", ms=7, mfc="white", mec=INK)
    )
    ax.set_xlim(plane.a[0], plane.a[-1])
    ax.set_ylim(plane.b[0], plane.b[-1])
    for which, length in zip("xy", plane.lengths, strict=True):
        name = "a, along direction 1" if which == "x" else "b, along direction 2"
        label = f"{name}; one unit is {words.number(length)} in parameter space"
        getattr(ax, f"set_{which}label")(label, fontsize=9.5, color=INK)
    plots.legend(page, keys)
    return page


def _levels(loss: HostArray) -> tuple[HostArray, bool]:
    """Return the levels of the contours, evenly spaced in the loss or in its logarithm."""
    known = loss[np.isfinite(loss)]
    if not known.size or known.min() == known.max():
        middle = float(known.min()) if known.size else 0.0
        return np.linspace(middle - 0.5, middle + 0.5, LEVELS), False
    low, high = float(known.min()), float(known.max())
    rounding = 1e-9 * max(abs(low), abs(high))  # so that no value falls off either end
    if low > 0 and high > STEEP / 3 * low:
        return np.geomspace(low * (1 - 1e-9), high + rounding, LEVELS), True
    return np.linspace(low - rounding, high + rounding, LEVELS), False


def _contours(ax: Axes, plane: LossPlane, shown: HostArray, levels: HostArray, logarithmic: bool) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    norm = (LogNorm if logarithmic else Normalize)(levels[0], levels[-1])
    ax.set_facecolor("#f1f3f5")  # where the loss is not finite
    masked = np.ma.masked_invalid(shown)
    colours = ax.contourf(plane.a, plane.b, masked, levels=levels, norm=norm, cmap="viridis_r")
    ax.contour(plane.a, plane.b, masked, levels=levels, colors="white", linewidths=0.5, alpha=0.6)
    return colours


def _colour_bar(page: Any, colours: Any, levels: HostArray, logarithmic: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    ax = page.add_axes((LEFT + SIDE + 0.035, 0.1, 0.026, 0.7))
    bar = page.colorbar(colours, cax=ax)
    low, high = float(levels[0]), float(levels[-1])
    ticks = plots.round_numbers(low, high) if logarithmic else MaxNLocator(8).tick_values(low, high)
    ticks = [float(tick) for tick in ticks if low <= tick <= high]
    bar.set_ticks(ticks, labels=[words.number(tick) for tick in ticks])
    bar.minorticks_off()
    bar.outline.set_visible(False)
    ax.tick_params(labelsize=8.8, colors=INK, length=0)
    ax.set_title("mean loss", fontsize=9, color=INK, loc="left", pad=8)
