"""Claim 12: the noise of small batches regularises, and generalises better."""

from __future__ import annotations

import numpy as np

from minisgd.lab.claims.claim import Claim, Finding
from minisgd.lab.claims.decision import Rule, above, every, some
from minisgd.lab.claims.experiments import generalisation_gap as gaps
from minisgd.lab.claims.experiments.fixed_budget import Endings, FixedBudget, edges
from minisgd.lab.claims.pictures import Axes, against_batch, each_against_batch
from minisgd.lab.claims.setting import Setting
from minisgd.lab.plots import BLUE, GREEN, ORANGE
from minisgd.typing import Generator

DECAY = 1e-3

RULE = Rule(
    {
        "all": above(
            "after longer training, the largest batch has at least {margin} more validation loss than the smallest",
            gaps.HALF,
        ),
        "little": above("so it has with little data", gaps.HALF),
        "decay": above("so it has there even with weight decay", gaps.HALF),
    },
    supported=every("all", "little", "decay"),
    qualified=some("all", "little"),
)


def judge(
    rng: Generator, epochs: Endings, steps: Endings, little_epochs: Endings, little_steps: Endings, decayed: Endings
) -> Finding:
    """Ask whether the smallest batch wins on unseen examples after enough training, and whether decay does as well."""
    plenty, little = gaps.longer(epochs, steps), gaps.longer(little_epochs, little_steps)
    with_decay = gaps.known(decayed.at("val_loss", decayed.tuned()))
    largest_decays = np.concatenate([little.val_loss[:-1], with_decay[-1:]])  # (K, S)
    instead = gaps.Arm("weight decay on the large batch", little.batch_sizes, largest_decays, largest_decays)
    estimates = [arm.gap() for arm in (plenty, little, instead)]
    full, few, decay = map(gaps.times, estimates)
    text = (
        f"After enough training at its tuned rate, batch size {plenty.batch_sizes[-1]} has {full} the validation "
        f"loss of batch size {plenty.batch_sizes[0]}; with an eighth of the data, batch size {little.batch_sizes[-1]} "
        f"has {few}, and {decay} if it has weight decay instead of noise."
    )

    def draw(ax: Axes) -> None:
        label = "validation loss"
        fewer = {"an eighth of them": little.val_loss, "an eighth, with weight decay": with_decay}
        against_batch(ax, plenty.batch_sizes, plenty.val_loss, label, color=GREEN, name="all the data")
        each_against_batch(ax, little.batch_sizes, fewer, label, colors=(BLUE, ORANGE))

    return Finding.of(
        RULE,
        dict(zip(RULE.statements, estimates, strict=True)),
        [
            plenty.effect(estimates[0]),
            little.effect(estimates[1], ", little data"),
            instead.effect(estimates[2], ", little data"),
        ],
        sum(runs.training_runs for runs in (epochs, steps, little_epochs, little_steps, decayed)),
        text,
        draw,
        edges({"longer": steps, "little data": little_steps, "weight decay": decayed}),
    )


CLAIM = Claim(
    number=12,
    says="The noise of small batches regularises, and so generalises better.",
    sources=("S0", "S3", "S4"),
    experiment=f"The training runs of claim 10 with tuned learning rates, in the longer of both budgets; and, with "
    f"little data, {gaps.LONG} steps with a weight decay of {DECAY:g}.",
    effect="Ratio of the validation losses of the largest and the smallest batch: with all the data, with an "
    "eighth, and there with weight decay on the largest; 95% over paired seeds.",
    rule=RULE,
    would_change="A network that fits noise in its data before the small batch's noise stops it. Training for too "
    "short a time would show the same gap for another reason: a large batch that has not learnt yet.",
    held_fixed="Initial weights of each seed, validation examples, plain SGD with a tuned rate at every batch size.",
    needs={
        "epochs": gaps.EPOCHS,
        "steps": gaps.STEPS,
        "little_epochs": gaps.LITTLE_EPOCHS,
        "little_steps": gaps.LITTLE_STEPS,
        "decayed": FixedBudget(
            Setting(share=gaps.LITTLE.share, weight_decay=DECAY), steps=gaps.LONG, multiples=gaps.NEAR
        ),
    },
    judge=judge,
    unseen=True,
)
