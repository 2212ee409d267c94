"""Claim 16: small batches escape sharp or local minima."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, below, every, some
from minisgd.lab.claims.experiments.escape import Escape, SwitchToSmall
from minisgd.lab.claims.experiments.fixed_budget import NOTHING
from minisgd.lab.claims.pictures import Axes, legend
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.lab.plots import BLUE, FAINT, ORANGE, log_axis, spread
from minisgd.typing import Generator, HostArray

MEASURED = {"lambda_max": "λmax", "train_loss": "training loss"}

RULE = Rule(
    {
        "flatter": below("the excursion ends with λmax at least {margin} lower", QUARTER),
        "lower": below("it ends with at least {margin} less training loss", QUARTER),
    },
    supported=every("flatter", "lower"),
    qualified=some("flatter", "lower"),
)


def judge(rng: Generator, escape: Escape) -> Finding:
    """Ask whether the excursion ends in a flatter place, and whether in a lower one."""
    both = {name: [np.maximum(runs[name], NOTHING) for runs in (escape.with_, escape.without)] for name in MEASURED}
    flatter, lower = (log_ratio(with_[-1], without[-1]) for with_, without in both.values())
    during = escape.steps.index(escape.back)
    while_small = log_ratio(*(losses[during] for losses in both["train_loss"]))
    sharpness, loss, meanwhile = (words.count(ratio_of(e).value) for e in (flatter, lower, while_small))
    text = (
        f"After an excursion to batch size {escape.small}, training at {escape.large} ends with {sharpness} times the "
        f"λmax and {loss} times the training loss of training that never left {escape.large}; at the end of the "
        f"excursion itself the loss is {meanwhile} times as high."
    )

    def draw(ax: Axes) -> None:
        ratios: dict[str, HostArray] = {name: with_ / without for name, (with_, without) in both.items()}
        ax.axvspan(escape.there, escape.back, color=FAINT, lw=0)
        for (name, table), color in zip(ratios.items(), (BLUE, ORANGE), strict=True):
            ax.plot(escape.steps, table, ls="", marker="o", ms=3, color=color, alpha=0.35)
            ax.plot(escape.steps, np.median(table, axis=1), lw=1.8, color=color, label=MEASURED[name])
        known = [float(x) for table in ratios.values() for x in table.ravel()]
        log_axis(ax, *spread([1.0, *known]), words.number, "with / without the excursion (grey)")
        ax.set_xlabel("steps")
        legend(ax)

    effects = [
        Effect.ratio("λmax at the end: with / without a small-batch excursion", flatter),
        Effect.ratio("training loss at the end: with / without", lower),
        Effect.ratio("training loss as the excursion ends", while_small),
    ]
    n = 2 * escape.without["train_loss"].shape[1]
    caution = f"Learning rate {words.number(escape.lr)} throughout; it sets how large the noise is."
    return Finding.of(RULE, {"flatter": flatter, "lower": lower}, effects, n, text, draw, [caution])


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
