"""Claim 17: larger batches want a higher learning rate."""

from __future__ import annotations

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding, Verdict
from minisgd.lab.claims.decision import side
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import Estimate, bootstrap, fit_slopes
from minisgd.lab.plots import BLUE, ORANGE
from minisgd.typing import Generator, HostArray

MARGIN = 0.1
"""A slope within ±0.1 is none: over two decades of batch size, less than a factor 1.6 of learning rate."""


def judge(rng: Generator, sgd: TargetRuns, adam: TargetRuns) -> Finding:
    """Fit the slope of log lr* against log B for both optimizers."""
    slopes = {name: slope(runs, rng) for name, runs in (("SGD", sgd), ("Adam", adam))}
    sides = {name: side(estimate, MARGIN) for name, estimate in slopes.items()}
    rising = [name for name, it in sides.items() if it == "more"]
    if sides["SGD"] == "unclear":
        verdict: Verdict = "not decided"
    else:
        verdict = "refuted" if not rising else "supported" if len(rising) == 2 else "qualified"
    text = "The best learning rate goes as " + " and ".join(
        f"B^{estimate.value:.2f} with {name}" for name, estimate in slopes.items()
    )
    text += "; proportional scaling would be 1, the square root 0.5"

    def draw(ax: Axes) -> None:
        for runs, name, color in ((sgd, "SGD", BLUE), (adam, "Adam", ORANGE)):
            against_batch(ax, runs.batch_sizes, optima(runs), "best learning rate", color=color, name=name)

    effects = [Effect.of(f"slope of log lr* with {name}", e) for name, e in slopes.items()]
    return Finding(
        verdict,
        effects[0],
        sgd.training_runs + adam.training_runs,
        text + ".",
        draw,
        (effects[1],),
        (*sgd.cautions(), *(f"Adam: {caution}" for caution in adam.cautions())),
    )


def slope(runs: TargetRuns, rng: Generator) -> Estimate:
    """Estimate d log lr* / d log B, choosing lr* anew for every resample of the seeds."""
    x = np.log(np.array(runs.batch_sizes, float))

    def slopes(rows: HostArray) -> HostArray:
        chosen = [_log_optimum(lrs, steps, rows) for lrs, steps in zip(runs.learning_rates, runs.steps, strict=True)]
        return fit_slopes(x, np.stack(chosen))

    return bootstrap(slopes, runs.seeds, rng)


def optima(runs: TargetRuns) -> HostArray:
    """Return the best learning rate of every seed by itself, (K, S)."""
    alone = np.arange(runs.seeds)[:, None]
    chosen = [_log_optimum(lrs, steps, alone) for lrs, steps in zip(runs.learning_rates, runs.steps, strict=True)]
    return np.asarray(np.exp(np.stack(chosen)))


def _log_optimum(rates: HostArray, steps: HostArray, rows: HostArray) -> HostArray:
    """Return log lr* for draws of seeds: the middle of the rates that are within 10% of the fewest steps.

    rates (L,), steps (L, S), rows (D, S) to (D,), NaN where no rate reached the target
    """
    medians = np.median(steps[:, rows], axis=-1)  # (L, D)
    good = np.isfinite(medians) & (medians <= 1.1 * medians.min(axis=0))
    logs = np.where(good, np.log(rates)[:, None], 0.0).sum(axis=0)
    count = good.sum(axis=0)
    return np.asarray(np.divide(logs, count, out=np.full(logs.shape, np.nan), where=count > 0))


CLAIM = Claim(
    number=17,
    says="Larger batches want a higher learning rate.",
    sources=("S2", "S3", "S4"),
    experiment="Train to the same target at every batch size over a grid of learning rates, with SGD and with Adam; "
    "lr* takes the fewest steps.",
    effect="Slope of log lr* against log B with SGD, and with Adam; 95% over paired seeds, lr* chosen anew each time.",
    rule="Supported if the slope is above 0.1 with both optimizers, qualified with one, refuted with neither.",
    would_change="Batches far beyond the critical batch size only: there lr* no longer grows, as curvature limits it.",
    held_fixed="Target, initial weights of each seed; no momentum with SGD.",
    needs={"sgd": RunToTarget(), "adam": RunToTarget(Setting(optimizer="adam"))},
    judge=judge,
)
