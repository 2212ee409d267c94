"""Claim 9: large batches need fewer epochs."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, below, every
from minisgd.lab.claims.experiments.to_target import CHOSEN, RunToTarget, TargetRuns
from minisgd.lab.claims.pictures import Axes, against_batch, reference
from minisgd.typing import Generator

RULE = Rule(
    {"epochs": below("the largest batch needs at least {margin} fewer epochs than the smallest", QUARTER)},
    supported=every("epochs"),
)


def judge(rng: Generator, runs: TargetRuns) -> Finding:
    """Compare the epochs that the largest and the smallest batch need."""
    epochs = runs.best_epochs  # (K, S)
    small, large = runs.batch_sizes[0], runs.batch_sizes[-1]
    change = runs.log_ratio(-1, 0).shifted(math.log(large / small))
    few, many = (words.count(float(np.median(row))) for row in (epochs[0], epochs[-1]))
    text = f"Batch size {large} needs {many} epochs to the target, batch size {small} needs {few}."
    fit = runs.critical().fit

    def draw(ax: Axes) -> None:
        against_batch(ax, runs.batch_sizes, epochs, "epochs to target", name="measured")
        if fit:
            at = np.geomspace(small, large, 60)
            reference(ax, at, fit.steps(at) * at / runs.n_train, "(Emin + B·Smin)/N")

    effects = [Effect.ratio(f"epochs to target: batch size {large} / {small}", change)]
    return Finding.of(RULE, {"epochs": change}, effects, runs.training_runs, text, draw, runs.cautions())


CLAIM = Claim(
    number=9,
    says="Large batches need fewer epochs.",
    sources=("S2",),
    experiment=f"Train to the same target at every batch size, each at its tuned learning rate; count epochs. {CHOSEN}",
    effect="Ratio of the epochs to target of the largest and the smallest batch size; 95% over paired seeds.",
    rule=RULE,
    would_change="Small batches that cannot be trained well at any learning rate. Where noise is all that limits "
    "progress, E(B) = Emin·(1 + B/Bcrit) can only rise.",
    held_fixed="Target, initial weights of each seed, optimizer (plain SGD, learning rate tuned at every batch size).",
    needs={"runs": RunToTarget()},
    judge=judge,
    unseen=True,
)
