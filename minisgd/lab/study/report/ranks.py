"""What more ranks would bring, simulated: seconds to the target against their number."""

from __future__ import annotations

from minisgd.lab import plots, words
from minisgd.lab.plots import BLUE, GREEN, INK, ORANGE, Figure
from minisgd.lab.study.ranks import SimulatedRanks


def draw_ranks(found: SimulatedRanks) -> Figure:
    """Draw both ways of using ranks, log-log, with the knee at the critical batch size."""
    page, ax = plots.figure("Seconds to target on several ranks (simulated)")
    ax.set_xscale("log", base=2)
    ax.plot(found.ranks, found.divided, color=BLUE, marker="o", lw=1.8)
    ax.plot(found.ranks, found.grown, color=ORANGE, marker="o", lw=1.8)
    plots.fixed_ticks(ax.xaxis, found.ranks, [str(n) for n in found.ranks])
    keys = [
        plots.key(f"one batch of {found.batch_size} divided among them", color=BLUE, marker="o", lw=1.8),
        plots.key(f"a batch of {found.batch_size} on each", color=ORANGE, marker="o", lw=1.8),
    ]
    if 1 < found.knee < found.ranks[-1]:
        ax.axvline(found.knee, color=GREEN, lw=1.5)
        keys.append(plots.key(f"Bcrit / {found.batch_size} = {words.size(found.knee)} ranks", color=GREEN, lw=1.5))
    ax.set_xlabel("ranks, simulated", color=INK)
    plots.log_axis(ax, *plots.spread([*found.divided, *found.grown]), words.seconds, "simulated time to target")
    plots.legend(page, keys, columns=2)
    return page
