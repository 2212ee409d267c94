"""Claim 40: growing the batch equals decaying the learning rate."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, TEN_PERCENT, Rule, above, below, differs, every, fails
from minisgd.lab.claims.experiments.fixed_budget import Endings, FixedBudget, edges, tuned_losses
from minisgd.lab.claims.experiments.growing import DecayingBudget, GrowingBudget
from minisgd.lab.claims.lab import RATIO
from minisgd.lab.claims.pictures import Axes, legend
from minisgd.lab.claims.sentences.c19_growing import EPOCHS
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.lab.plots import BLUE, GREY, ORANGE, log_axis, spread
from minisgd.typing import Generator

RULE = Rule(
    {
        "differs": differs("growing leaves a loss that differs by at least {margin} from decaying", QUARTER),
        "worse": above("growing leaves at least {margin} more loss than decaying", QUARTER),
        "matters": below("decaying leaves at least {margin} less loss than neither", TEN_PERCENT),
    },
    supported=every(fails("differs"), "matters"),
    qualified=fails("worse"),
)


def judge(rng: Generator, constant: Endings, decaying: Endings, growing: Endings) -> Finding:
    """Compare the grown batch with the decayed learning rate, and that with neither."""
    ways = {"neither": constant, "lr decays": decaying, "batch grows": growing}
    losses = {name: tuned_losses(runs)[0] for name, runs in ways.items()}  # (S,) of the smallest batch, and of one row
    steps = {name: runs.at("steps", runs.tuned())[0] for name, runs in ways.items()}
    grown = log_ratio(losses["batch grows"], losses["lr decays"])
    decayed = log_ratio(losses["lr decays"], losses["neither"])
    updates = float(np.median(steps["batch grows"]) / np.median(steps["lr decays"]))
    text = (
        f"After {EPOCHS} epochs growing the batch {RATIO}-fold at a time leaves {ratio_of(grown).value:.2f} "
        f"times the validation loss of dividing the learning rate by {RATIO} instead, in {words.count(updates)} times "
        f"the updates; dividing it leaves {ratio_of(decayed).value:.2f} times the loss of doing neither."
    )

    def draw(ax: Axes) -> None:
        for name, color in zip(ways, (GREY, BLUE, ORANGE), strict=True):
            ax.plot(steps[name], losses[name], ls="", marker="o", ms=4, color=color, alpha=0.5, label=name)
            ax.plot(np.median(steps[name]), np.median(losses[name]), marker="D", ms=8, mec="white", color=color)
        log_axis(ax, *spread(np.concatenate(list(steps.values())).tolist()), words.short, "updates", which="x")
        log_axis(ax, *spread(np.concatenate(list(losses.values())).tolist()), words.number, "validation loss")
        legend(ax)

    return Finding.of(
        RULE,
        {"differs": grown, "worse": grown, "matters": decayed},
        [
            Effect.ratio("validation loss: batch grows / learning rate decays", grown),
            Effect.ratio("validation loss: learning rate decays / neither", decayed),
            Effect.exact("updates: batch grows / learning rate decays", updates),
        ],
        sum(runs.training_runs for runs in ways.values()),
        text,
        draw,
        edges(ways),
    )


CLAIM = Claim(
    number=40,
    says="Growing the batch equals decaying the learning rate.",
    sources=("Smith et al. 2018, sections 2 and 3",),
    experiment=f"Train {EPOCHS} epochs from the smallest batch size: with the batch growing by factors of {RATIO}, "
    f"equally long at each size, with the learning rate divided by {RATIO} at the same times instead, and with "
    "neither. The learning rate at the start is tuned for each.",
    effect="Ratio of the validation losses with the batch grown and with the learning rate decayed; that of decaying "
    "and neither; geometric means over paired seeds, 95%.",
    rule=RULE,
    would_change="Batches beyond the critical batch size, where growing stops to act like a decay; data that the "
    "network fits exactly, whose noise vanishes by itself, need neither.",
    held_fixed="Number of examples, initial weights of each seed, plain SGD.",
    needs={
        "constant": FixedBudget(epochs=EPOCHS),
        "decaying": DecayingBudget(EPOCHS),
        "growing": GrowingBudget(EPOCHS),
    },
    judge=judge,
    unseen=True,
)
