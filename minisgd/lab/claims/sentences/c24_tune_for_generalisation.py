"""Claim 24: the batch size should be tuned for generalisation."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, Statement, some
from minisgd.lab.claims.experiments import generalisation_gap as gaps
from minisgd.lab.claims.experiments.fixed_budget import Endings
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.statistics import Estimate, difference
from minisgd.lab.plots import BLUE, ORANGE
from minisgd.typing import Generator, HostArray

POINTS = 0.02
"""Margin of accuracies: 95% of draws of 360 examples, at 97%, are within 1.8 points."""


RULE = Rule(
    {
        "longer": Statement(
            "after enough training, some batch size is at least {margin} of accuracy behind the best",
            "more",
            POINTS,
            "points",
        ),
        "epochs": Statement("some is so after 10 epochs", "more", POINTS, "points"),
        "longer loss": Statement(
            "without classes: after enough training, some has at least {margin} more loss", "more", QUARTER
        ),
        "epochs loss": Statement("without classes: some has so after 10 epochs", "more", QUARTER),
    },
    supported=some("longer", "longer loss"),
    qualified=some("epochs", "epochs loss"),
)


def judge(rng: Generator, epochs: Endings, steps: Endings) -> Finding:
    """Compare every batch size with the best one, within few epochs and after enough training."""
    classes = bool(np.isfinite(epochs.table("val_accuracy")).any())
    by = "val_accuracy" if classes else "val_loss"
    tables = {"longer": gaps.longest(epochs, steps, by, by), "epochs": gaps.known(epochs.at(by, epochs.tuned(by)))}
    cost = {name: _cost(table, classes) for name, table in tables.items()}
    deficits = {name: _compare(table) for name, table in cost.items()}
    evidence = {f"{name}{'' if classes else ' loss'}": deficit for name, (_, deficit) in deficits.items()}
    sizes = epochs.batch_sizes
    unit = "accuracy" if classes else "log loss"
    text, effects = [], []
    for name, when in (("longer", "after enough training"), ("epochs", "after 10 epochs")):
        worst, deficit = deficits[name]
        best = int(cost[name].mean(axis=1).argmin())
        said = f"{100 * deficit.value:.2g} points" if classes else f"a factor {words.count(math.exp(deficit.value))}"
        text.append(f"{when}, batch size {sizes[worst]} is {said} behind the best one, {sizes[best]}")
        label = f"{unit} of batch size {sizes[worst]} behind that of {sizes[best]}, {when}"
        effects.append(Effect.of(label, deficit))

    def draw(ax: Axes) -> None:
        label = f"validation {'accuracy' if classes else 'loss'} at the tuned rate"
        for (name, table), color in zip(tables.items(), (BLUE, ORANGE), strict=True):
            said = "enough training" if name == "longer" else "10 epochs"
            against_batch(ax, sizes, table, label, color=color, name=said, log=not classes)

    return Finding(
        RULE.verdict(evidence),
        effects[0],
        epochs.training_runs + steps.training_runs,
        f"With the learning rate tuned at every batch size: {'; '.join(text)}.",
        draw,
        (effects[1],),
        ("The examples that judge are those that chose the learning rates, for every batch size alike.",),
        evidence,
    )


def _cost(table: HostArray, classes: bool) -> HostArray:
    """Return what is better the smaller it is: minus accuracy, or log loss.  (K, S)"""
    return -table if classes else np.log(table)


def _compare(cost: HostArray) -> tuple[int, Estimate]:
    """Return the batch size furthest behind the best one, and how far it is: chosen among all pairs."""
    means, k = cost.mean(axis=1), len(cost)
    best, worst = int(means.argmin()), int(means.argmax())
    return worst, difference(cost[worst], cost[best], max(1, k * (k - 1) // 2))


CLAIM = Claim(
    number=24,
    says="Batch size should be tuned for generalisation.",
    sources=("S0", "S1", "S3"),
    experiment=f"Train at every batch size over one grid of learning rates for 10 epochs, and for {gaps.LONG} "
    "steps; take the best validation accuracy (loss, if there are no classes) of each, in the longer of both budgets.",
    effect="How far the worst batch size is behind the best one; 95% over paired seeds.",
    rule=RULE,
    would_change="A budget that is too small for large batches: whatever learns more in it looks as if it generalised "
    "better. Regularisation tuned at one batch size only.",
    held_fixed="Initial weights of each seed, validation examples, plain SGD without decay. The Deep Learning Tuning "
    "Playbook holds that, all else tuned and with enough steps, every batch size can reach the same.",
    needs={"epochs": gaps.EPOCHS, "steps": gaps.STEPS},
    judge=judge,
    unseen=True,
)
