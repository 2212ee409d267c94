"""Claim 27: batch normalisation and batch size interact."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding, undecided
from minisgd.lab.claims.decision import QUARTER, Rule, Statement, every, some
from minisgd.lab.claims.experiments.fixed_budget import Endings, FixedBudget, Measure, edges
from minisgd.lab.claims.experiments.measures import TrainingModeLoss
from minisgd.lab.claims.lab import SMALLEST
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import Estimate, difference, log_ratio, ratio_of
from minisgd.lab.plots import BLUE, GREEN, ORANGE
from minisgd.typing import Generator

POINT = 0.01
"""Less than one percentage point of accuracy is none."""

EPOCHS, GHOST = 10, 16

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""Multiples of the pilot's learning rate, itself scaled with √B, about which the best ones lie."""


def trained(norm: str, batch_sizes: tuple[int, ...] = (), measures: tuple[Measure, ...] = ()) -> FixedBudget:
    """Return the training runs with a kind of normalisation."""
    return FixedBudget(
        Setting(norm=norm), EPOCHS, batch_sizes=batch_sizes, multiples=RATES, power=0.5, measures=measures
    )


RULE = Rule(
    {
        "gain": Statement(
            "what normalisation gains differs by at least {margin} of accuracy between the smallest and largest batch",
            "differs",
            POINT,
            "points",
        ),
        "gap": Statement("at the smallest batch, the two losses differ by at least {margin}", "differs", QUARTER),
    },
    supported=every("gain", "gap"),
    qualified=some("gain", "gap"),
)


def judge(rng: Generator, none: Endings, batch: Endings, ghost: Endings, small: Endings) -> Finding:
    """Ask whether what normalisation gains depends on the batch size, and whether small batches see another network."""
    accuracy = {
        name: runs.at("val_accuracy", runs.tuned())  # (K, S)
        for name, runs in ((NONE, none), ("batch norm", batch), (f"ghost batches of {GHOST}", ghost))
    }
    if not np.isfinite(accuracy[NONE]).any():
        return undecided(ACCURACY, "Accuracy is a matter of classes, and these data have values.")
    first, last = batch.batch_sizes[0], batch.batch_sizes[-1]
    gain = accuracy["batch norm"] - accuracy[NONE]
    change = difference(gain[-1], gain[0])
    ghost_gain = difference(accuracy[f"ghost batches of {GHOST}"][-1], accuracy["batch norm"][-1])
    best = small.tuned()
    gap = log_ratio(small.at("training_mode_loss", best)[0], small.at("train_loss", best)[0])
    evidence = {"gain": change, "gap": gap}
    ratio = ratio_of(gap)
    text = (
        f"Batch normalisation changes accuracy by {_points(gain[0].mean())} at batch size {first} and by "
        f"{_points(gain[-1].mean())} at {last}. At batch size {small.batch_sizes[0]} the loss under the "
        f"statistics of the batch is {words.count(ratio.value)} times that under running statistics."
    )

    def draw(ax: Axes) -> None:
        for (name, table), color in zip(accuracy.items(), (BLUE, ORANGE, GREEN), strict=True):
            against_batch(ax, batch.batch_sizes, table, "validation accuracy", color=color, name=name, log=False)

    effects = [
        Effect.of(ACCURACY, change),
        Effect.of(f"loss in training mode / in evaluation, batch size {small.batch_sizes[0]}", ratio),
        _plain(f"accuracy of ghost batches − of batch norm, batch size {last}", ghost_gain),
    ]
    runs = (none, batch, ghost, small)
    return Finding(
        RULE.verdict(evidence),
        effects[0],
        sum(each.training_runs for each in runs),
        text,
        draw,
        tuple(effects[1:]),
        edges({NONE: none, "batch norm": batch, "ghost batches": ghost}),
        evidence,
    )


NONE = "no normalisation"

ACCURACY = "gain in accuracy by batch normalisation: largest batch − smallest"


def _plain(name: str, estimate: Estimate) -> Effect:
    return Effect.of(name, estimate)


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"


CLAIM = Claim(
    number=27,
    says="Batch normalisation and batch size interact.",
    sources=("S4",),
    experiment=f"Train {EPOCHS} epochs at every batch size with no normalisation, with batch normalisation and with "
    f"ghost batches of {GHOST}, each at its tuned learning rate. At the smallest batch size, take the training loss "
    "twice at the same weights: by the statistics of every batch, and by the running ones.",
    effect="Gain in validation accuracy by batch normalisation at the largest batch size less that at the smallest; "
    "ratio of the two losses at the smallest; 95% over paired seeds.",
    rule=RULE,
    would_change="Features that hardly vary within a batch, or a budget so long that every batch size ends alike: then "
    "normalisation gains the same everywhere.",
    held_fixed="Number of epochs, initial weights of each seed, order of the examples, plain SGD.",
    needs={
        "none": trained("none"),
        "batch": trained("batch"),
        "ghost": trained(f"ghost:{GHOST}"),
        "small": trained("batch", (SMALLEST,), (TrainingModeLoss(SMALLEST),)),
    },
    judge=judge,
    unseen=True,
)
