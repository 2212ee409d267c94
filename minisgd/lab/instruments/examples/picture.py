"""The picture of the gradients of single examples: how long they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.page import say
from minisgd.lab.plots import BLUE, INK, ORANGE, Figure
from minisgd.typing import HostArray

BINS = 40


def draw_norms(lengths: HostArray, longest: Sequence[int]) -> Figure:
    """Draw how many examples have a gradient of which norm, and name the longest.  lengths (N,)"""
    page, ax = plots.figure("Norms of the gradients of single examples")
    counts, edges, bars = ax.hist(lengths, bins=BINS, color=BLUE)
    for count, low, high, bar in zip(counts.tolist(), edges[:-1], edges[1:], bars, strict=True):
        say(bar, [f"{words.plural(int(count), 'example')}\nnorm {words.number(low)} to {words.number(high)}"])
    ax.set_yscale("symlog", linthresh=1)
    ticks = [0, *plots.round_numbers(1.0, max(float(counts.max()), 1.0))]
    plots.fixed_ticks(ax.yaxis, ticks, [words.short(tick) for tick in ticks])
    (marks,) = ax.plot(lengths[list(longest)], np.full(len(longest), 0.5), ls="", marker="v", ms=8, color=ORANGE)
    say(marks, [f"example {index}\nnorm {words.number(float(lengths[index]))}" for index in longest])
    ax.set_xlabel("norm of the gradient", fontsize=9.5, color=INK)
    ax.set_ylabel("examples", fontsize=9.5, color=INK)
    plots.legend(
        page, [plots.patch("examples", color=BLUE), plots.key("the longest", ls="", marker="v", ms=8, color=ORANGE)]
    )
    return page
