"""The picture of a training run's sharpness: λmax against the largest that is stable, and the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.plots import BLUE, GREEN, INK, ORANGE, Figure

if TYPE_CHECKING:
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
