"""Claim 35: larger batches use the hardware better."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every
from minisgd.lab.claims.experiments.peak import WIDTH, MeasureUtilisation, Utilisation
from minisgd.lab.claims.pictures import against_batch
from minisgd.lab.claims.statistics import Estimate, log_ratio, ratio_of
from minisgd.typing import Generator

RULE = Rule(
    {
        "better": above(
            "the largest batch achieves at least {margin} more of the machine's peak than the smallest", QUARTER
        ),
        "goes on": above("it achieves at least {margin} more than the second largest", QUARTER),
    },
    supported=every("better", "goes on"),
    qualified=every("better"),
)


def judge(rng: Generator, use: Utilisation) -> Finding:
    """Ask how much more of the peak the largest batch achieves, and whether the gain goes on to the end."""
    better, goes_on = (log_ratio(use.share[:, -1], use.share[:, k]) for k in (0, -2))
    sizes, medians = use.batch_sizes, np.median(use.share, axis=0)
    text = (
        f"Of the {float(np.median(use.peak)) / 1e9:.3g} GFLOP/s that a large matrix product reaches here, a step at "
        f"batch size {sizes[0]} achieves {100 * medians[0]:.2g}%, at {sizes[-1]} {100 * medians[-1]:.2g}%: "
        f"{words.count(ratio_of(better).value)} times as much."
    )
    return Finding.of(
        RULE,
        {"better": better, "goes on": goes_on},
        [
            Effect.ratio(f"achieved FLOP/s: batch size {sizes[-1]} / {sizes[0]}", better),
            Effect.ratio(f"achieved FLOP/s: batch size {sizes[-1]} / {sizes[-2]}", goes_on),
            Effect.ratio("GFLOP/s of the matrix product", Estimate.mean(np.log(use.peak / 1e9))),
        ],
        use.share.size,
        text,
        lambda ax: against_batch(ax, sizes, 100 * use.share.T, "% of the machine's peak FLOP/s"),
    )


CLAIM = Claim(
    number=35,
    says="Larger batches use the hardware better.",
    sources=("S1", "S4"),
    experiment=f"Time updates of single networks at every batch size, and in the same visits the product of two "
    f"{WIDTH} × {WIDTH} matrices, the machine's peak; count the FLOPs of a step from its recorded program.",
    effect="Ratio of the achieved FLOP/s of the largest and the smallest batch, and of the two largest; 95% over "
    "visits.",
    rule=RULE,
    would_change="A network so large that one example keeps the machine busy; or batches that no longer fit the cache.",
    held_fixed="Network, optimizer, dtype; threads by the size of the work.",
    needs={"use": MeasureUtilisation()},
    judge=judge,
    learns=False,
)
