"""Claim 43: large batches want Adam's β₁ near β₂."""

from __future__ import annotations

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import TEN_PERCENT, Rule, below, every
from minisgd.lab.claims.experiments.fixed_budget import Endings, edges, tuned_losses
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.sentences.c39_tuned_beta2 import EPOCHS, SHORT, USUAL, best_of, trained
from minisgd.lab.claims.statistics import difference, log_ratio, ratio_of
from minisgd.typing import Generator

RULE = Rule(
    {
        "large": below(
            "at the largest batch β₁ nearer to β₂ leaves at least {margin} less loss than (0.9, 0.999)", TEN_PERCENT
        ),
        "more": below(
            "the ratio of these losses is at least {margin} lower at the largest batch than at the smallest",
            TEN_PERCENT,
        ),
    },
    supported=every("large", "more"),
    qualified=every("large"),
)


def judge(rng: Generator, usual: Endings, lower: Endings, higher: Endings) -> Finding:
    """Compare the better of two nearer pairs with the usual one, at the largest batch and at the smallest."""
    plain = tuned_losses(usual)  # (K, S)
    near = best_of(np.stack([tuned_losses(lower), tuned_losses(higher)]))[1]
    large, small = (log_ratio(near[k], plain[k], comparisons=2) for k in (-1, 0))
    ratios = np.log(near) - np.log(plain)
    sizes = usual.batch_sizes
    text = (
        f"After {EPOCHS} epochs β₁ nearer to β₂ leaves {ratio_of(large).value:.2f} times the validation loss of "
        f"(0.9, 0.999) at batch size {sizes[-1]}, and {ratio_of(small).value:.2f} times at {sizes[0]}."
    )
    arms = {"(0.9, 0.999)": usual, "(0.9, 0.99)": lower, "(0.99, 0.999)": higher}
    tables = {"(0.9, 0.999)": plain, "the better of two nearer pairs": near}
    return Finding.of(
        RULE,
        {"large": large, "more": difference(ratios[-1], ratios[0], comparisons=2)},
        [
            Effect.ratio(f"validation loss at batch size {sizes[-1]}: β₁ nearer to β₂ / (0.9, 0.999)", large),
            Effect.ratio(f"the same at batch size {sizes[0]}", small),
        ],
        sum(runs.training_runs for runs in arms.values()),
        text,
        lambda ax: each_against_batch(ax, sizes, tables, "validation loss"),
        edges(arms),
    )


CLAIM = Claim(
    number=43,
    says="Large batches want Adam's β₁ near β₂.",
    sources=("Cattaneo and Shigida 2026 (arXiv 2602.01642), abstract",),
    experiment=f"Train {EPOCHS} epochs at every batch size with Adam and (β₁, β₂) = (0.9, 0.999), and with β₁ nearer "
    "to β₂ in two ways, (0.9, 0.99) and (0.99, 0.999), the learning rate tuned for each; at every batch size the "
    "better of the two counts.",
    effect="Ratio of the validation losses of the nearer pair and of the usual one at the largest batch size; how it "
    "changes from the smallest to the largest; geometric means over paired seeds, 95%, widened for the choice of two.",
    rule=RULE,
    would_change="Training that ends before it overfits, where the paper expects nothing of it.",
    held_fixed="Number of examples, initial weights of each seed, order of the examples, ε, a constant learning rate.",
    needs={
        "usual": USUAL,
        "lower": SHORT,
        "higher": trained("adam-near"),
    },
    judge=judge,
    unseen=True,
)
