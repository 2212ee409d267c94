"""Claim 24: the batch size should be tuned for generalisation."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, some
from minisgd.lab.claims.experiments import generalisation_gap as gaps
from minisgd.lab.claims.experiments.fixed_budget import Endings
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.statistics import Estimate, difference
from minisgd.typing import Generator, HostArray

POINTS = 0.02
"""Margin of accuracies: 95% of draws of 360 examples, at 97%, are within 1.8 points."""

RULE = Rule(
    {
        "longer": above(
            "after enough training, some batch size is at least {margin} of accuracy behind the best", POINTS, "points"
        ),
        "epochs": above("some is so after 10 epochs", POINTS, "points"),
        "longer loss": above("without classes: after enough training, some has at least {margin} more loss", QUARTER),
        "epochs loss": above("without classes: some has so after 10 epochs", QUARTER),
    },
    supported=some("longer", "longer loss"),
    qualified=some("epochs", "epochs loss"),
)


def judge(rng: Generator, epochs: Endings, steps: Endings) -> Finding:
    """Compare every batch size with the best one, within few epochs and after enough training."""
    classes = bool(np.isfinite(epochs.table("val_accuracy")).any())
    by = "val_accuracy" if classes else "val_loss"
    sizes, unit = epochs.batch_sizes, "accuracy" if classes else "log loss"
    whens = {"longer": "after enough training", "epochs": "after 10 epochs"}
    tables = {"longer": gaps.longest(epochs, steps, by, by), "epochs": gaps.known(epochs.at(by, epochs.tuned(by)))}
    text, effects, evidence = [], [], {}
    for name, when in whens.items():
        # what is better the smaller it is, (K, S)
        best, worst, deficit = _compare(-tables[name] if classes else np.log(tables[name]))
        said = f"{100 * deficit.value:.2g} points" if classes else f"a factor {words.count(math.exp(deficit.value))}"
        text.append(f"{when}, batch size {sizes[worst]} is {said} behind the best one, {sizes[best]}")
        effects.append(Effect.of(f"{unit} of batch size {sizes[worst]} behind that of {sizes[best]}, {when}", deficit))
        evidence[name if classes else f"{name} loss"] = deficit
    shown = {when.removeprefix("after "): tables[name] for name, when in whens.items()}
    label = f"validation {'accuracy' if classes else 'loss'} at the tuned rate"
    return Finding.of(
        RULE,
        evidence,
        effects,
        epochs.training_runs + steps.training_runs,
        f"With the learning rate tuned at every batch size: {'; '.join(text)}.",
        lambda ax: each_against_batch(ax, sizes, shown, label, log=not classes),
        ["The examples that judge are those that chose the learning rates, for every batch size alike."],
    )


def _compare(cost: HostArray) -> tuple[int, int, Estimate]:
    """Return the best batch size, the one furthest behind it, and how far it is: chosen among all pairs."""
    means, k = cost.mean(axis=1), len(cost)
    best, worst = int(means.argmin()), int(means.argmax())
    return best, worst, difference(cost[worst], cost[best], max(1, k * (k - 1) // 2))


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
