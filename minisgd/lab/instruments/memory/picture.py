"""Pictures of the memory of a training step: who takes it, and how it grows with the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.page import say
from minisgd.lab.plots import BLUE, GREY, INK, ORANGE, Axes, Figure

if TYPE_CHECKING:
    from minisgd.lab.instruments.memory.fit import MemoryFit
    from minisgd.training.memory import MemoryPlan


def draw_growth(plan: MemoryPlan, measured: MemoryFit | None = None) -> Figure:
    """Draw bytes(B) = fixed + B · per example, the batch that was asked for, and what was measured."""
    page, ax = plots.figure("Memory of a training step")
    points = measured.points if measured else ()
    most = max(plan.batch_size, 1024, *(point.batch_size for point in points))
    keys = draw_parts(ax, 1, most, plan.bytes_fixed, plan.bytes_per_example)
    look: dict[str, Any] = dict(ls="", marker="*", ms=15, color=ORANGE, mec="white", zorder=5)
    (chosen,) = ax.plot(plan.batch_size, plan.bytes, **look)
    say(chosen, [f"batch size {plan.batch_size}\n{words.memory(plan.bytes)} planned"])
    keys.append(plots.key(f"batch size {plan.batch_size}", **look))
    seen = [plan.bytes_fixed / 3 or plan.bytes_per_example, plan.bytes_fixed + plan.bytes_per_example * most]
    if points:
        look = dict(ls="", marker="o", ms=6, color=INK, mec="white", zorder=4)
        ax.plot([point.batch_size for point in points], [point.measured_bytes for point in points], **look)
        keys.append(plots.key("measured", **look))
        seen += [point.measured_bytes for point in points]
    plots.batch_axis(ax, [1, most])
    plots.log_axis(ax, *plots.spread(seen, 2, 2), words.memory, "bytes", base=2)
    plots.legend(page, keys)
    return page


def draw_parts(ax: Axes, first: float, last: float, fixed: float, each: float) -> list[Any]:
    """Draw the line fixed + B · each between two batch sizes, and both of its parts; return their keys."""
    at = np.geomspace(first, last, 80)
    ax.plot(at, fixed + each * at, color=BLUE, lw=1.8)
    keys = [plots.key("fixed + per example · B", color=BLUE, lw=1.8)]
    parts = [(f"per example: {words.memory(each)}", each * at, (0, (1.5, 2)))]
    if fixed > 0:
        parts.insert(0, (f"fixed: {words.memory(fixed)}", np.full_like(at, fixed), (0, (5, 3))))
    for label, height, dashes in parts:
        ax.plot(at, height, color=GREY, lw=1.4, ls=dashes)
        keys.append(plots.key(label, color=GREY, lw=1.4, ls=dashes))
    return keys


def draw_owners(plan: MemoryPlan) -> Figure:
    """Draw who takes the bytes of a step, as bars."""
    owners: Sequence[tuple[str, int]] = [(owner, n) for owner, n in plan.by_owner.items() if n]
    page, ax = plots.figure(
        f"Bytes of a step on {words.plural(plan.batch_size, 'example')}, by owner",
        height=1.7 + 0.34 * len(owners),
        left=0.2,
    )
    bars = ax.barh(range(len(owners)), [n for _, n in owners], color=BLUE, height=0.62)
    for bar, (owner, n) in zip(bars, owners, strict=True):
        say(bar, [f"{owner}: {words.memory(n)}\n{n:,} bytes"])
    plots.fixed_ticks(ax.yaxis, range(len(owners)), [owner for owner, _ in owners])
    ax.invert_yaxis()
    ax.set_xlabel("bytes", fontsize=9.5, color=INK)
    most = max(n for _, n in owners)
    ticks = [k * most / 4 for k in range(5)]
    plots.fixed_ticks(ax.xaxis, ticks, [words.memory(tick) for tick in ticks])
    return page
