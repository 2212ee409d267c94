"""Claim 20: SGD likes small batches, Adam larger ones."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every, some
from minisgd.lab.claims.experiments.critical import describe, trend
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import log_slope
from minisgd.typing import Generator

MARGIN = 0.05
"""A slope of the gap within ±0.05 is none: over two decades of batch size, less than a factor of 1.26."""

RULE = Rule(
    {
        "critical": above("Adam's critical batch size is at least {margin} larger than SGD's", QUARTER),
        "lead": above("Adam's lead in steps grows with the batch, with a slope above {margin}", MARGIN, "number"),
    },
    supported=every("critical", "lead"),
    qualified=some("critical", "lead"),
)


def judge(rng: Generator, sgd: TargetRuns, adam: TargetRuns) -> Finding:
    """Compare the critical batch sizes, and ask whether Adam's lead grows with the batch."""
    ratio = trend((0, 1), (sgd, adam), rng)
    lead = sgd.best_steps / adam.best_steps  # (K, S)
    slope = log_slope(sgd.batch_sizes, lead)
    small, large = sgd.batch_sizes[0], sgd.batch_sizes[-1]
    first, last = (words.count(float(x)) for x in np.median(lead, axis=1)[[0, -1]])
    text = (
        f"SGD and Adam have critical batch sizes of {describe((sgd, adam))}. SGD needs {first} times the steps of Adam "
        f"at batch size {small}, and {last} times at {large}."
    )
    tables = {"SGD": sgd.best_steps, "Adam": adam.best_steps}
    return Finding.of(
        RULE,
        {"critical": ratio, "lead": slope},
        [
            Effect.ratio("critical batch size Emin/Smin: Adam / SGD", ratio),
            Effect.of("slope of log (steps of SGD / steps of Adam) against log B", slope),
        ],
        sgd.training_runs + adam.training_runs,
        text,
        lambda ax: each_against_batch(ax, sgd.batch_sizes, tables, "steps to target"),
        (*sgd.cautions(), *(f"Adam: {caution}" for caution in adam.cautions())),
    )


CLAIM = Claim(
    number=20,
    says="SGD likes small batches, Adam likes larger ones.",
    sources=("S3", "S4"),
    experiment="Train to the same target at every batch size with SGD and with Adam, each at its tuned learning rate; "
    "fit S(B) = Smin + Emin/B to the steps.",
    effect="Ratio of the critical batch sizes Emin/Smin of Adam and SGD; slope of the log of SGD's steps over Adam's "
    "against log B; 95% over paired seeds.",
    rule=RULE,
    would_change="A problem that noise limits at every batch size tried: then both optimizers scale perfectly. "
    "Momentum moves SGD's critical batch size towards Adam's.",
    held_fixed="Target, initial weights of each seed, order of the examples; no momentum with SGD.",
    needs={"sgd": RunToTarget(), "adam": RunToTarget(Setting(optimizer="adam"))},
    judge=judge,
    unseen=True,
)
