"""Pictures of speed: the time of a step and the examples a second against batch size, and powers of two in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.page import say
from minisgd.lab.plots import BLUE, GREEN, INK, Axes, Figure
from minisgd.typing import HostArray

if TYPE_CHECKING:
    from minisgd.lab.instruments.throughput.pairs import PowersOfTwo
    from minisgd.lab.instruments.throughput.speed import Speed, SpeedPoint


def draw_speed(found: Speed, what: str) -> Figure:
    """Draw t(B) = t0 + B/r with the intervals of the visits, and the examples a second, which cannot exceed r."""
    page, (left, right) = plots.figure(f"Time of a {what}, and throughput", columns=2, wspace=0.26)
    sizes = [float(point.batch_size) for point in found.points]
    for ax in (left, right):
        plots.batch_axis(ax, sizes)
    keys = draw_line(left, right, sizes, found.t0_seconds, found.examples_per_second, found.knee)
    said = [_said(point, what) for point in found.points]
    look: dict[str, Any] = dict(ls="", marker="o", ms=6, color=INK, mec="white", mew=0.8, zorder=4)
    for point in found.points:
        left.plot([point.batch_size] * 2, point.interval, color=INK, lw=1.2)
    for ax, values in (
        (left, [point.step_seconds for point in found.points]),
        (right, [point.examples_per_second for point in found.points]),
    ):
        (points,) = ax.plot(sizes, values, **look)
        say(points, said)
    ends = [end for point in found.points for end in point.interval]
    plots.log_axis(left, *plots.spread(ends), words.seconds, f"time of a {what}")
    plots.log_axis(
        right, *plots.spread([b / t for b, t in zip(sizes, ends[::2], strict=True)]), words.short, "examples a second"
    )
    plots.legend(page, [plots.key("measured, with 95% interval", **look), *keys])
    return page


def draw_line(
    left: Axes, right: Axes, sizes: Sequence[float] | HostArray, t0: float, rate: float, knee: float
) -> list[Any]:
    """Draw the line t0 + B/r on a panel of seconds and on one of examples a second, and the knee; return their keys."""
    at = np.geomspace(sizes[0], sizes[-1], 80)
    predicted = t0 + at / rate
    left.plot(at, predicted, color=BLUE, lw=1.8)
    right.plot(at, at / predicted, color=BLUE, lw=1.8)
    keys = [plots.key("fit t(B) = t0 + B/r", color=BLUE, lw=1.8)]
    low, high = left.get_xlim()
    if low < knee < high:
        for ax in (left, right):
            ax.axvline(knee, color=GREEN, lw=1.5)
        keys.append(plots.key(f"knee t0·r = {words.size(knee)}", color=GREEN, lw=1.5))
    return keys


def draw_pairs(found: PowersOfTwo) -> Figure:
    """Draw the time of a step at a power of two, relative to its neighbours, with intervals."""
    page, ax = plots.figure("A power of two beside its neighbours")
    for power in found.powers:
        ax.plot([power.batch_size] * 2, power.interval, color=BLUE, lw=1.5)
    sizes = [float(power.batch_size) for power in found.powers]
    ax.plot(sizes, [power.ratio for power in found.powers], ls="", marker="o", ms=6, color=BLUE)
    ax.axhline(1, color=INK, lw=1)
    plots.batch_axis(ax, sizes)
    ax.set_ylabel("time relative to the mean of B − 1 and B + 1", fontsize=9.5, color=INK)
    return page


def _said(point: SpeedPoint, what: str) -> str:
    interval = words.interval(*point.interval, words.seconds)
    rate = words.short(point.examples_per_second)
    return (
        f"batch size {point.batch_size}\n{words.seconds(point.step_seconds)} a {what}\n95% interval {interval}\n"
        f"{rate} examples a second"
    )
