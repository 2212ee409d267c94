"""Claim 13: very small batches are unstable."""

from __future__ import annotations

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import Rule, above, every
from minisgd.lab.claims.experiments import generalisation_gap as gaps
from minisgd.lab.claims.experiments import usable_range
from minisgd.lab.claims.experiments.fixed_budget import Endings
from minisgd.lab.claims.statistics import difference
from minisgd.typing import Generator

MARGIN = 0.2
"""Decades: ranges within a factor 1.6 of each other are as wide."""

RULE = Rule(
    {
        "narrower": above(
            "the usable range of the smallest batch is narrower by at least {margin} decades", MARGIN, "number"
        )
    },
    supported=every("narrower"),
)


def judge(rng: Generator, runs: Endings) -> Finding:
    """Ask whether the smallest batch leaves less room for its learning rate than the largest."""
    found = usable_range.usable_range(runs)
    widths = found.decades
    gain = difference(widths[-1], widths[0])
    small, large = found.batch_sizes[0], found.batch_sizes[-1]
    medians = np.median(widths, axis=1)
    return Finding.of(
        RULE,
        {"narrower": gain},
        [Effect.of(f"decades of usable learning rates: batch size {large} − {small}", gain)],
        runs.training_runs,
        f"The usable learning rates of batch size {small} span {medians[0]:.2f} decades, those of batch size {large} "
        f"{medians[-1]:.2f}.",
        lambda ax: usable_range.draw(ax, found),
        found.cautions(),
    )


CLAIM = Claim(
    number=13,
    says="Very small batches are unstable.",
    sources=("S0",),
    experiment="Train for 10 epochs at every batch size over one grid of learning rates, 3.3 decades wide; a rate is "
    "usable if its final training loss lies at most a quarter of the way back, on a log scale, from the best of its "
    "batch size to the loss at the start.",
    effect="Width in decades of the usable range, of the largest batch less that of the smallest; 95% over seeds.",
    rule=RULE,
    would_change="Gradient noise so strong, as from wrong labels or outliers, that a small batch ends well at "
    "few rates only; or a budget of equal steps, in which a large batch has time at low rates as well.",
    held_fixed="Number of epochs, initial weights of each seed, grid of learning rates, plain SGD.",
    needs={"runs": gaps.EPOCHS},
    judge=judge,
)
