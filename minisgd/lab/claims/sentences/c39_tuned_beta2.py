"""Claim 39: small batches train well once Adam's β₂ is tuned."""

from __future__ import annotations

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, TEN_PERCENT, Rule, above, every, fails
from minisgd.lab.claims.experiments.fixed_budget import Endings, FixedBudget, edges, tuned_losses
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.lab.plots import BLUE, GREEN, ORANGE
from minisgd.typing import Generator, HostArray

EPOCHS = 10

SIZES = (4, 16, 64, 256)
"""At 1024 few data leave no more updates than an average of ten needs."""

MULTIPLES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Learning rates, in multiples of the pilot's, itself scaled with √B, as Adam's best one roughly is."""


def trained(optimizer: str) -> FixedBudget:
    """Return the experiment of an arm."""
    return FixedBudget(Setting(optimizer=optimizer), EPOCHS, batch_sizes=SIZES, multiples=MULTIPLES, power=0.5)


SHORT, USUAL, LONG = trained("adam-0.99"), trained("adam"), trained("adam-0.9999")

RULE = Rule(
    {
        "worse": above(
            "with β₂ tuned the smallest batch leaves at least {margin} more loss than the best of the others", QUARTER
        ),
        "helps": above(
            "at the smallest batch β₂ = 0.999 leaves at least {margin} more loss than the tuned one", TEN_PERCENT
        ),
    },
    supported=every(fails("worse"), "helps"),
    qualified=fails("worse"),
)


def judge(rng: Generator, short: Endings, usual: Endings, long: Endings) -> Finding:
    """Tune β₂ at every batch size, then compare the smallest with the best of the others, and with β₂ = 0.999."""
    arms = {"β₂ = 0.99": short, "β₂ = 0.999": usual, "β₂ = 0.9999": long}
    losses = np.stack([tuned_losses(runs) for runs in arms.values()])  # (3, K, S)
    best, chosen = best_of(losses)
    others = list(np.nan_to_num(np.median(chosen[1:], axis=1), nan=np.inf))
    rival = 1 + int(np.argmin(others))
    sizes = usual.batch_sizes
    worse = log_ratio(chosen[0], chosen[rival], comparisons=len(others))
    helps = log_ratio(losses[1, 0], chosen[0], comparisons=len(arms) - 1)
    text = (
        f"After {EPOCHS} epochs batch size {sizes[0]} with {list(arms)[best[0]]} leaves {ratio_of(worse).value:.2f} "
        f"times the validation loss of batch size {sizes[rival]} with {list(arms)[best[rival]]}; batch size "
        f"{sizes[0]} with β₂ = 0.999 leaves {ratio_of(helps).value:.2f} times its loss with {list(arms)[best[0]]}."
    )
    tables = dict(zip(arms, losses, strict=True))
    return Finding.of(
        RULE,
        {"worse": worse, "helps": helps},
        [
            Effect.ratio(f"validation loss with β₂ tuned: batch size {sizes[0]} / {sizes[rival]}", worse),
            Effect.ratio(f"validation loss at batch size {sizes[0]}: β₂ = 0.999 / tuned", helps),
        ],
        sum(runs.training_runs for runs in arms.values()),
        text,
        lambda ax: each_against_batch(ax, sizes, tables, "validation loss", colors=(GREEN, BLUE, ORANGE)),
        edges(arms),
    )


def best_of(losses: HostArray) -> tuple[HostArray, HostArray]:
    """Return which of several arms has the lowest median at every batch size, and its losses.

    losses (A, K, S) to (K,) and (K, S); a median that is no number is the worst
    """
    medians = np.median(losses, axis=2)
    best = np.where(np.isnan(medians), np.inf, medians).argmin(axis=0)
    return best, losses[best, np.arange(losses.shape[1])]


CLAIM = Claim(
    number=39,
    says="Small batches train as well as large ones once Adam's β₂ is tuned.",
    sources=("Marek et al. 2025 (arXiv 2507.07101), abstract",),
    experiment=f"Train {EPOCHS} epochs at every batch size with Adam and β₂ = 0.99, 0.999 and 0.9999, β₁ = 0.9, the "
    "learning rate tuned for each; at every batch size the β₂ that leaves the lowest median is the tuned one.",
    effect="Ratio of the validation losses of the smallest batch and of the best of the others, each with its tuned "
    "β₂; that of β₂ = 0.999 and the tuned one at the smallest batch; geometric means over paired seeds, 95%, widened "
    "for the choice among several.",
    rule=RULE,
    would_change="Training in few steps, where β₂ hardly matters as its start is corrected for; a learning rate that "
    "does not decay leaves a small batch in its noise.",
    held_fixed="Number of examples, initial weights of each seed, order of the examples, β₁, ε, a constant learning "
    "rate.",
    needs={"short": SHORT, "usual": USUAL, "long": LONG},
    judge=judge,
    unseen=True,
)
