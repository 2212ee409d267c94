"""Claim 31: more data, and shuffling them."""

from __future__ import annotations

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import POINT, QUARTER, Rule, above, every, some
from minisgd.lab.claims.experiments.fixed_budget import Endings, FixedBudget, edges
from minisgd.lab.claims.pictures import Axes, legend
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import Estimate, difference, log_ratio
from minisgd.lab.plots import BLUE, ORANGE
from minisgd.training.prepare import Sampling
from minisgd.typing import Generator, HostArray

BATCH, STEPS = 16, 1000
"""As many updates for every amount of data, so that more data are not also more training."""

RATES = (1 / 16, 1 / 4, 1 / 2, 1.0, 2.0, 4.0)
"""Multiples of the pilot's learning rate; far below it there is time to average over an order that is bad."""


def trained(setting: Setting, sampling: Sampling = "shuffle") -> FixedBudget:
    """Return training runs of equally many updates."""
    return FixedBudget(setting, steps=STEPS, batch_sizes=(BATCH,), multiples=RATES, sampling=sampling)


RULE = Rule(
    {
        "data": above("all of the data gain at least {margin} of accuracy over an eighth", POINT, "points"),
        "shuffling": above("shuffling gains at least {margin} of accuracy over sorted order", POINT, "points"),
        "data loss": above("without classes: an eighth of the data has at least {margin} more loss than all", QUARTER),
        "shuffling loss": above("without classes: sorted order has at least {margin} more loss than shuffled", QUARTER),
    },
    supported=every("data", "shuffling", "data loss", "shuffling loss"),
    qualified=some("data", "shuffling", "data loss", "shuffling loss"),
)


def judge(
    rng: Generator, eighth: Endings, quarter: Endings, half: Endings, whole: Endings, in_order: Endings
) -> Finding:
    """Compare all of the data with an eighth, and shuffled with sorted order."""
    parts = (eighth, quarter, half, whole)
    what = "accuracy" if np.isfinite(whole.table("val_accuracy")).any() else "loss"
    scores, unshuffled = np.stack([score(runs, what) for runs in parts]), score(in_order, what)
    data, shuffling = (gain(what, scores[-1], other) for other in (scores[0], unshuffled))
    suffix = "" if what == "accuracy" else " loss"
    few, many, unordered = (_say(what, float(np.mean(row))) for row in (scores[0], scores[-1], unshuffled))
    text = (
        f"After {STEPS:,} updates validation {what} is {few} with {eighth.n_train:,} examples and {many} with "
        f"{whole.n_train:,}; with these in the order of their labels, never shuffled, it is {unordered}."
    )

    def draw(ax: Axes) -> None:
        sizes = [runs.n_train for runs in parts]
        ax.plot(sizes, scores, ls="", marker="o", ms=3, color=BLUE, alpha=0.35)
        ax.plot(sizes, scores.mean(axis=1), marker="o", ms=6, lw=1.8, color=BLUE, label="shuffled")
        ax.plot([sizes[-1]] * len(unshuffled), unshuffled, ls="", marker="s", ms=3, color=ORANGE, alpha=0.35)
        ax.plot(sizes[-1:], [unshuffled.mean()], ls="", marker="s", ms=7, color=ORANGE, label="sorted by label")
        ax.set_xscale("log")
        ax.set_xticks(sizes, labels=[f"{n:,}" for n in sizes])
        ax.set_xticks([], minor=True)
        ax.set_xlabel("training examples N")
        ax.set_ylabel(f"validation {what}")
        legend(ax)

    unit = "validation accuracy: {} less {}" if what == "accuracy" else "log of validation loss: {1} / {0}"
    return Finding.of(
        RULE,
        {f"data{suffix}": data, f"shuffling{suffix}": shuffling},
        [
            Effect.of(unit.format("all data", "an eighth"), data),
            Effect.of(unit.format("shuffled", "sorted"), shuffling),
        ],
        sum(runs.training_runs for runs in (*parts, in_order)),
        text,
        draw,
        edges({f"{runs.n_train:,} examples": runs for runs in parts}, f"val_{what}"),
    )


def score(runs: Endings, what: str) -> HostArray:
    """Return the validation accuracy or loss at the learning rate that is best for it, (S,)."""
    return np.asarray(runs.at(f"val_{what}", runs.tuned(f"val_{what}"))[0])


def gain(what: str, better: HostArray, worse: HostArray) -> Estimate:
    """Estimate how much more accuracy one has, or how much less loss on a log scale.  better, worse (S,)"""
    return difference(better, worse) if what == "accuracy" else log_ratio(worse, better)


def _say(what: str, value: float) -> str:
    return f"{100 * value:.1f}%" if what == "accuracy" else f"{value:.3g}"


CLAIM = Claim(
    number=31,
    says="More training data improve accuracy, and shuffling them matters.",
    sources=("S0",),
    experiment=f"Train on an eighth, a quarter, half and all of the examples, {STEPS:,} updates at batch size {BATCH} "
    "each; then on all of them in the order of their labels, without shuffling.",
    effect="Validation accuracy (log loss, where there are no classes) with all data less that with an eighth, and "
    "shuffled less sorted; 95% over paired seeds.",
    rule=RULE,
    would_change="A model too small to use more data, or examples that repeat each other; a file whose order says "
    "nothing about the labels needs no shuffling.",
    held_fixed="Number of updates, batch size, validation examples, initial weights of each seed, plain SGD with the "
    "learning rate tuned for each.",
    needs={
        "eighth": trained(Setting(share=0.125)),
        "quarter": trained(Setting(share=0.25)),
        "half": trained(Setting(share=0.5)),
        "whole": trained(Setting()),
        "in_order": trained(Setting(by_label=True), "sequential"),
    },
    judge=judge,
    unseen=True,
)
