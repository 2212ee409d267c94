"""Claim 5: large batches give smoother learning curves."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import Rule, below, every
from minisgd.lab.claims.experiments.loss_curve import LossCurves, RecordLoss
from minisgd.lab.claims.pictures import Axes, against_batch, reference
from minisgd.lab.claims.statistics import log_slope
from minisgd.typing import Generator

MARGIN = 0.1
"""A slope within ±0.1 is none: over two decades of batch size, less than a factor 1.6 of roughness."""

RULE = Rule(
    {
        "absolute": below("the slope is below −{margin}", MARGIN, "number"),
        "relative": below("it is so in units of the loss itself", MARGIN, "number"),
    },
    supported=every("absolute", "relative"),
    qualified=every("absolute"),
)


def judge(rng: Generator, curves: LossCurves) -> Finding:
    """Fit the slope of the residual s.d. against B, as it is and in units of the loss itself."""
    sizes, rough = np.array(curves.batch_sizes, float), curves.roughness
    absolute, relative = log_slope(sizes, rough), log_slope(sizes, rough / curves.loss.mean(axis=2))
    medians = np.median(rough, axis=1)
    text = (
        f"From step to step the loss scatters by {words.number(medians[0])} at batch size "
        f"{curves.batch_sizes[0]} and by {words.number(medians[-1])} at {curves.batch_sizes[-1]}: as "
        f"B^{absolute.value:.2f}. Averaging independent examples gives −0.5."
    )

    def draw(ax: Axes) -> None:
        against_batch(ax, curves.batch_sizes, rough, "residual s.d. of the loss", name="measured")
        reference(ax, sizes, medians[0] * np.sqrt(sizes[0] / sizes), "1/√B from the smallest batch")

    effects = [
        Effect.of("slope of log residual s.d. against log B", absolute),
        Effect.of("slope of log residual s.d. / mean loss against log B", relative),
    ]
    return Finding.of(RULE, {"absolute": absolute, "relative": relative}, effects, rough.size, text, draw)


CLAIM = Claim(
    number=5,
    says="Large batches give smoother learning curves.",
    sources=("S2",),
    experiment="Train 200 steps at every batch size and one learning rate, and keep the loss of every batch; its "
    "residuals about the local trend are what second differences leave.",
    effect="Slope of log residual s.d. of the loss curve against log B; 95% over paired seeds.",
    rule=RULE,
    would_change="Examples with the same loss: then a batch scatters as little as all of them. Averaging the "
    "curve over as many examples at every batch size would do to a small batch what a large one does by itself.",
    held_fixed="Steps, initial weights of each seed, learning rate (the best one of a batch size in the middle).",
    needs={"curves": RecordLoss()},
    judge=judge,
    learns=False,
)
