"""Claim 16: small batches escape sharp or local minima."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, Statement, every, some
from minisgd.lab.claims.experiments.escape import Escape, SwitchToSmall
from minisgd.lab.claims.pictures import Axes
from minisgd.lab.claims.statistics import Estimate, log_ratio, ratio_of
from minisgd.lab.plots import BLUE, FAINT, INK, ORANGE, log_axis, spread
from minisgd.typing import Generator

MEASURED = {"lambda_max": "λmax", "train_loss": "training loss"}

NOTHING = 1e-6
"""A loss, or a curvature, below this is rounding."""


RULE = Rule(
    {
        "flatter": Statement("the excursion ends with λmax at least {margin} lower", "less", QUARTER),
        "lower": Statement("it ends with at least {margin} less training loss", "less", QUARTER),
    },
    supported=every("flatter", "lower"),
    qualified=some("flatter", "lower"),
)


def judge(rng: Generator, escape: Escape) -> Finding:
    """Ask whether the excursion ends in a flatter place, and whether in a lower one."""
    flatter, lower = (_ratio(escape, name, -1) for name in MEASURED)
    evidence = {"flatter": flatter, "lower": lower}
    sharpness, loss = ratio_of(flatter), ratio_of(lower)
    during = escape.steps.index(escape.back)
    while_small = ratio_of(_ratio(escape, "train_loss", during))
    text = (
        f"After an excursion to batch size {escape.small}, training at {escape.large} ends with "
        f"{words.count(sharpness.value)} times the λmax and {words.count(loss.value)} times the training loss of "
        f"training that never left {escape.large}; at the end of the excursion itself the loss is "
        f"{words.count(while_small.value)} times as high."
    )

    def draw(ax: Axes) -> None:
        ratios = {
            name: np.maximum(escape.with_[name], NOTHING) / np.maximum(escape.without[name], NOTHING)
            for name in MEASURED
        }
        ax.axvspan(escape.there, escape.back, color=FAINT, lw=0)
        for (name, table), color in zip(ratios.items(), (BLUE, ORANGE), strict=True):
            ax.plot(escape.steps, table, ls="", marker="o", ms=3, color=color, alpha=0.35)
            ax.plot(escape.steps, np.median(table, axis=1), lw=1.8, color=color, label=MEASURED[name])
        known = [float(x) for table in ratios.values() for x in table.ravel() if np.isfinite(x) and x > 0]
        log_axis(ax, *spread([1.0, *known]), words.number, "with / without the excursion (grey)")
        ax.set_xlabel("steps", fontsize=9.5, color=INK)
        ax.legend(frameon=False, fontsize=8.8, labelcolor=INK)

    return Finding(
        RULE.verdict(evidence),
        Effect.of("λmax at the end: with / without a small-batch excursion", sharpness),
        2 * escape.without["train_loss"].shape[1],
        text,
        draw,
        (
            Effect.of("training loss at the end: with / without", loss),
            Effect.of("training loss as the excursion ends", while_small),
        ),
        cautions=(f"Learning rate {words.number(escape.lr)} throughout; it sets how large the noise is.",),
        evidence=evidence,
    )


def _ratio(escape: Escape, name: str, look: int) -> Estimate:
    with_, without = (np.maximum(runs[name][look], NOTHING) for runs in (escape.with_, escape.without))
    return log_ratio(with_, without)


CLAIM = Claim(
    number=16,
    says="Small batches escape sharp or local minima.",
    sources=("S2", "S3", "S4"),
    experiment="Train with the largest batch; from there, go on as before, or with the smallest batch for as many "
    "steps and then with the largest again, so that the noise itself is gone. Follow λmax and the loss of both.",
    effect="Ratio of λmax, and of the training loss, at the end with and without the excursion; 95% over paired seeds.",
    rule=RULE,
    would_change="A loss without noise in its gradient, on which batch size has nothing to move with; a loss with "
    "barriers that the noise of a small batch can pass makes it supported.",
    held_fixed="Learning rate, number of steps, initial weights of each seed; the same examples for every λmax.",
    needs={"escape": SwitchToSmall()},
    judge=judge,
)
