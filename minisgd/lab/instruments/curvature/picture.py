"""Pictures of sharpness: along a training run, and at one point beside the learning rates that it allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.page import say
from minisgd.lab.plots import BLUE, GREEN, INK, ORANGE, Axes, Figure

if TYPE_CHECKING:
    from minisgd.lab.instruments.curvature.sharpness import Sharpness
    from minisgd.lab.instruments.curvature.tracker import SharpnessSample

DASHED = (0, (4, 3))


def draw_sharpness(samples: Sequence[SharpnessSample]) -> Figure:
    """Draw λmax with its threshold, and the loss, over the updates."""
    page, (ax, right) = plots.figure("Sharpness during training", columns=2, wspace=0.22, left=0.08)
    step = np.array([s.step for s in samples])
    lambda_max = np.array([s.lambda_max for s in samples])
    threshold = np.array([s.threshold for s in samples])
    loss = np.array([s.loss for s in samples])
    ax.plot(step, lambda_max, color=BLUE, lw=2)
    ax.plot(step, threshold, color=ORANGE, lw=1.6, ls=DASHED)
    doubtful = np.array([not s.converged for s in samples])
    ax.plot(step[doubtful], lambda_max[doubtful], ls="", marker="x", ms=6, color=INK)
    known = np.r_[lambda_max, threshold[:1]]
    known = known[np.isfinite(known)]
    ax.set_ylim(0, 1.15 * max(known.max(), 1e-12) if known.size else 1)
    ax.set_ylabel("largest eigenvalue of the Hessian", fontsize=9.5, color=INK)
    right.plot(step, loss, color=GREEN, lw=2)
    positive = loss[np.isfinite(loss) & (loss > 0)]
    if positive.size == loss.size:
        plots.log_axis(right, *plots.spread(positive.tolist()), words.number, "mean loss")
    for panel in (ax, right):
        panel.set_xlabel("updates", fontsize=9.5, color=INK)
        panel.set_xlim(step[0], max(step[-1], step[0] + 1))
    keys = [
        plots.key("λmax", color=BLUE, lw=2),
        plots.key("largest stable λmax: 2 (1 + μ) / lr", color=ORANGE, lw=1.6, ls=DASHED),
        plots.key("mean loss", color=GREEN, lw=2),
    ]
    if doubtful.any():
        keys.append(plots.key("not converged", ls="", marker="x", color=INK))
    plots.legend(page, keys)
    return page


def draw_limits(found: Sharpness) -> Figure:
    """Draw the learning rates below which descent is stable, and the one in use; and the range of the eigenvalues."""
    page, (left, right) = plots.figure(
        "Curvature, and the learning rates that it allows", columns=2, left=0.16, wspace=0.5
    )
    rates = {"2/λmax": found.lr_max}
    if found.momentum:
        rates[f"with μ = {found.momentum:g}"] = found.lr_max_momentum
    if found.lr is not None:
        rates["in use"] = found.lr
    known = {name: rate for name, rate in rates.items() if np.isfinite(rate)}
    _dots(left, known, "learning rate")
    plots.log_axis(left, *plots.spread(list(known.values()), 2, 2), words.number, "learning rate", which="x", most=5)
    mean = found.trace / found.parameters
    _dots(right, {"λmax": found.lambda_max, "mean": mean, "λmin": found.lambda_min}, "eigenvalue of the Hessian")
    return page


def _dots(ax: Axes, values: dict[str, float], label: str) -> None:
    """Put named values on one axis, a row each; those in use are of another colour."""
    for row, (name, value) in enumerate(values.items()):
        colour, mark = (ORANGE, "D") if name == "in use" else (BLUE, "o")
        (point,) = ax.plot(value, row, ls="", marker=mark, ms=9, color=colour)
        say(point, [f"{name}: {words.number(value)}"])
    plots.fixed_ticks(ax.yaxis, range(len(values)), list(values))
    ax.set_ylim(len(values) - 0.4, -0.6)
    ax.set_xlabel(label, fontsize=9.5, color=INK)
