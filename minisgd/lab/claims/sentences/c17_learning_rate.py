"""Claim 17: larger batches want a higher learning rate."""

from __future__ import annotations

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import Rule, above, every, some
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import Estimate, drawn, fit_slopes
from minisgd.typing import Generator, HostArray

MARGIN = 0.1
"""A slope within ±0.1 is none: over two decades of batch size, less than a factor 1.6 of learning rate."""

RULE = Rule(
    {
        "SGD": above("the slope is above {margin} with SGD", MARGIN, "number"),
        "Adam": above("it is above {margin} with Adam", MARGIN, "number"),
    },
    supported=every("SGD", "Adam"),
    qualified=some("SGD", "Adam"),
)


def judge(rng: Generator, sgd: TargetRuns, adam: TargetRuns) -> Finding:
    """Fit the slope of log lr* against log B for both optimizers."""
    runs = {"SGD": sgd, "Adam": adam}
    slopes = {name: slope(each, rng) for name, each in runs.items()}
    said = " and ".join(f"B^{estimate.value:.2f} with {name}" for name, estimate in slopes.items())
    tables = {name: optima(each) for name, each in runs.items()}
    return Finding.of(
        RULE,
        slopes,
        [Effect.of(f"slope of log lr* with {name}", estimate) for name, estimate in slopes.items()],
        sgd.training_runs + adam.training_runs,
        f"The best learning rate goes as {said}; proportional scaling would be 1, the square root 0.5.",
        lambda ax: each_against_batch(ax, sgd.batch_sizes, tables, "best learning rate"),
        (*sgd.cautions(), *(f"Adam: {caution}" for caution in adam.cautions())),
    )


def slope(runs: TargetRuns, rng: Generator) -> Estimate:
    """Estimate d log lr* / d log B, choosing lr* anew in every draw of the mean log steps."""
    x = np.log(np.array(runs.batch_sizes, float))
    return drawn(lambda means: fit_slopes(x, log_optima(runs, means)), np.log(np.concatenate(runs.steps)), rng)


def log_optima(runs: TargetRuns, means: HostArray) -> HostArray:
    """Return log lr* at every batch size, for draws of the mean log steps.  means (D, L of all sizes) to (K, D)"""
    ends = np.cumsum([len(rates) for rates in runs.learning_rates])[:-1]
    parts = zip(runs.learning_rates, np.split(means, ends, axis=1), strict=True)
    return np.stack([_log_optimum(rates, part.T) for rates, part in parts])


def optima(runs: TargetRuns) -> HostArray:
    """Return the best learning rate of every seed by itself, (K, S)."""
    chosen = [_log_optimum(rates, np.log(steps)) for rates, steps in zip(runs.learning_rates, runs.steps, strict=True)]
    return np.asarray(np.exp(np.stack(chosen)))


def _log_optimum(rates: HostArray, log_steps: HostArray) -> HostArray:
    """Return log lr*, the middle of the rates that are within 10% of the fewest steps.

    rates (L,), log_steps (L, D) to (D,), NaN where no rate reached the target
    """
    good = np.isfinite(log_steps) & (log_steps <= np.log(1.1) + log_steps.min(axis=0))
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
    rule=RULE,
    would_change="Batches far beyond the critical batch size only: there lr* no longer grows, as curvature limits it.",
    held_fixed="Target, initial weights of each seed; no momentum with SGD.",
    needs={"sgd": RunToTarget(), "adam": RunToTarget(Setting(optimizer="adam"))},
    judge=judge,
    unseen=True,
)
