"""Claim 14: large batches are more stable."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every
from minisgd.lab.claims.experiments import generalisation_gap as gaps
from minisgd.lab.claims.experiments import usable_range
from minisgd.lab.claims.experiments.fixed_budget import Endings
from minisgd.lab.claims.statistics import log_ratio
from minisgd.typing import Generator

RULE = Rule(
    {"higher": above("the largest batch bears rates at least {margin} higher than the smallest does", QUARTER)},
    supported=every("higher"),
)


def judge(rng: Generator, runs: Endings) -> Finding:
    """Ask whether there are rates that the largest batch bears and the smallest does not."""
    found = usable_range.usable_range(runs)
    highest, lowest = (log_ratio(ends[-1], ends[0]) for ends in (found.high, found.low))
    small, large = found.batch_sizes[0], found.batch_sizes[-1]
    bears = [words.number(float(np.median(row))) for row in (found.high[0], found.high[-1])]
    what = f"usable learning rate: batch size {large} / {small}"
    return Finding.of(
        RULE,
        {"higher": highest},
        [Effect.ratio(f"highest {what}", highest), Effect.ratio(f"lowest {what}", lowest)],
        runs.training_runs,
        f"Batch size {small} trains up to a learning rate of {bears[0]}, batch size {large} up to {bears[1]}.",
        lambda ax: usable_range.draw(ax, found),
        found.cautions(),
    )


CLAIM = Claim(
    number=14,
    says="Large batches are more stable.",
    sources=("S2",),
    experiment="The training runs of claim 13, read at one learning rate for all batch sizes: how high may it be until "
    "a batch size no longer trains.",
    effect="Ratio of the highest usable learning rates of the largest and the smallest batch; 95% over paired seeds.",
    rule=RULE,
    would_change="Data whose gradients hardly differ: then curvature alone, 2/λmax, limits every batch size alike.",
    held_fixed="Number of epochs, initial weights of each seed, grid of learning rates, plain SGD.",
    needs={"runs": gaps.EPOCHS},
    judge=judge,
)
