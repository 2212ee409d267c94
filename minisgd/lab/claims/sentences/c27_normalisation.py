"""Claim 27: batch normalisation and batch size interact."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding, undecided
from minisgd.lab.claims.decision import POINT, QUARTER, Rule, differs, every, some
from minisgd.lab.claims.experiments.fixed_budget import Endings, FixedBudget, Measure, edges
from minisgd.lab.claims.experiments.measures import TrainingModeLoss
from minisgd.lab.claims.lab import SMALLEST
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import difference, log_ratio, ratio_of
from minisgd.typing import Generator

EPOCHS, GHOST = 10, 16

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""Multiples of the pilot's learning rate, itself scaled with √B, about which the best ones lie."""


def trained(norm: str, batch_sizes: tuple[int, ...] = (), measures: tuple[Measure, ...] = ()) -> FixedBudget:
    """Return the training runs with a kind of normalisation."""
    return FixedBudget(
        Setting(norm=norm), EPOCHS, batch_sizes=batch_sizes, multiples=RATES, power=0.5, measures=measures
    )


ACCURACY = "gain in accuracy by batch normalisation: largest batch − smallest"

RULE = Rule(
    {
        "gain": differs(
            "what normalisation gains differs by at least {margin} of accuracy between the smallest and largest batch",
            POINT,
            "points",
        ),
        "gap": differs("at the smallest batch, the two losses differ by at least {margin}", QUARTER),
    },
    supported=every("gain", "gap"),
    qualified=some("gain", "gap"),
)


def judge(rng: Generator, none: Endings, batch: Endings, ghost: Endings, small: Endings) -> Finding:
    """Ask whether what normalisation gains depends on the batch size, and whether small batches see another network."""
    without, with_, with_ghosts = (runs.at("val_accuracy", runs.tuned()) for runs in (none, batch, ghost))  # (K, S)
    if not np.isfinite(without).any():
        return undecided(ACCURACY, "Accuracy is a matter of classes, and these data have values.")
    first, last = batch.batch_sizes[0], batch.batch_sizes[-1]
    gain = with_ - without
    change = difference(gain[-1], gain[0])
    best, smallest = small.tuned(), small.batch_sizes[0]
    gap = log_ratio(small.at("training_mode_loss", best)[0], small.at("train_loss", best)[0])
    text = (
        f"Batch normalisation changes accuracy by {_points(gain[0].mean())} at batch size {first} and by "
        f"{_points(gain[-1].mean())} at {last}. At batch size {smallest} the loss under the "
        f"statistics of the batch is {words.count(ratio_of(gap).value)} times that under running statistics."
    )
    accuracy = {"no normalisation": without, "batch norm": with_, f"ghost batches of {GHOST}": with_ghosts}
    ghost_gain = difference(with_ghosts[-1], with_[-1])
    return Finding.of(
        RULE,
        {"gain": change, "gap": gap},
        [
            Effect.of(ACCURACY, change),
            Effect.ratio(f"loss in training mode / in evaluation, batch size {smallest}", gap),
            Effect.of(f"accuracy of ghost batches − of batch norm, batch size {last}", ghost_gain),
        ],
        sum(runs.training_runs for runs in (none, batch, ghost, small)),
        text,
        lambda ax: each_against_batch(ax, batch.batch_sizes, accuracy, "validation accuracy", log=False),
        edges({"no normalisation": none, "batch norm": batch, "ghost batches": ghost}),
    )


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
