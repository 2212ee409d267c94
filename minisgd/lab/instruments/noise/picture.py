"""Pictures of gradient noise: what a step gains at each batch size, and what branches of a training run reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minisgd.lab import plots, words
from minisgd.lab.plots import BLUE, GREEN, GREY, ORANGE, Figure

if TYPE_CHECKING:
    from minisgd.lab.instruments.noise.branches import LocalCriticalBatchSize
    from minisgd.lab.instruments.noise.estimate import GradientNoise

DASHED = (0, (4, 3))


def draw_noise(found: GradientNoise) -> Figure:
    """Draw the best learning rate and what its step gains against batch size: both go as 1 / (1 + B_noise/B)."""
    page, panels = plots.figure("One step of SGD at each batch size", columns=2, wspace=0.3)
    sizes = [2.0**k for k in range(found.population.bit_length())]
    scales = {"B_noise": (found.b_noise, GREEN), "B_simple": (found.b_simple, ORANGE)}
    shown = {name: look for name, look in scales.items() if sizes[0] < look[0] < sizes[-1]}
    for ax, predict, label in zip(
        panels, (found.best_lr, found.loss_drop), ("best learning rate", "loss drop of that step"), strict=True
    ):
        values = [predict(b) for b in sizes]
        ax.plot(sizes, values, color=BLUE, marker="o", ms=5, lw=1.8)
        for place, colour in shown.values():
            ax.axvline(place, color=colour, lw=1.5)
        plots.batch_axis(ax, sizes)
        plots.log_axis(ax, *plots.spread(values), words.number, label)
    keys = [plots.key(f"{name} = {words.size(at)}", color=colour, lw=1.5) for name, (at, colour) in shown.items()]
    plots.legend(page, [plots.key("predicted", color=BLUE, marker="o", ms=5, lw=1.8), *keys])
    return page


def draw_branches(found: LocalCriticalBatchSize) -> Figure:
    """Draw the loss that the branches reach on equally many examples, every seed as a dot, and where it was before."""
    page, ax = plots.figure("Loss after the same examples, in larger and larger batches")
    for size, losses in zip(found.batch_sizes, found.losses, strict=True):
        ax.plot([size] * len(losses), losses, ls="", marker="o", ms=4, color=GREY)
    ax.plot(found.batch_sizes, found.losses.mean(axis=1), color=BLUE, marker="s", ms=6, lw=1.8, label="mean")
    ax.axhline(found.start, color=ORANGE, lw=1.4, ls=DASHED)
    plots.batch_axis(ax, found.batch_sizes)
    plots.log_axis(ax, *plots.spread([found.start, *found.losses.ravel().tolist()]), words.number, "training loss")
    keys = [plots.key("a seed", ls="", marker="o", ms=4, color=GREY)]
    keys += [plots.key("mean", color=BLUE, marker="s", ms=6, lw=1.8)]
    plots.legend(page, [*keys, plots.key("before", color=ORANGE, lw=1.4, ls=DASHED)])
    return page
