"""Claim 35: larger batches use the hardware better."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, Statement, every
from minisgd.lab.claims.experiments.peak import WIDTH, MeasureUtilisation, Utilisation
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.statistics import Estimate, log_ratio, ratio_of
from minisgd.typing import Generator

RULE = Rule(
    {
        "better": Statement(
            "the largest batch achieves at least {margin} more of the machine's peak than the smallest", "more", QUARTER
        ),
        "goes on": Statement("it achieves at least {margin} more than the second largest", "more", QUARTER),
    },
    supported=every("better", "goes on"),
    qualified=every("better"),
)


def judge(rng: Generator, use: Utilisation) -> Finding:
    """Ask how much more of the peak the largest batch achieves, and whether the gain goes on to the end."""
    evidence = {"better": log_ratio(use.share[:, -1], use.share[:, 0]),
                "goes on": log_ratio(use.share[:, -1], use.share[:, -2])}  # fmt: skip
    ratios = {name: ratio_of(effect) for name, effect in evidence.items()}
    sizes, medians = use.batch_sizes, np.median(use.share, axis=0)
    text = (
        f"Of the {float(np.median(use.peak)) / 1e9:.3g} GFLOP/s that a large matrix product reaches here, a step at "
        f"batch size {sizes[0]} achieves {100 * medians[0]:.2g}%, at {sizes[-1]} {100 * medians[-1]:.2g}%: "
        f"{words.count(ratios['better'].value)} times as much."
    )

    def draw(ax: Axes) -> None:
        against_batch(ax, sizes, 100 * use.share.T, "% of the machine's peak FLOP/s")

    effects = [
        Effect.of(f"achieved FLOP/s: batch size {sizes[-1]} / {b}", ratios[name])
        for name, b in (("better", sizes[0]), ("goes on", sizes[-2]))
    ]
    peak = ratio_of(Estimate.mean(np.log(use.peak / 1e9)))
    more = (effects[1], Effect.of("GFLOP/s of the matrix product", peak))
    return Finding(RULE.verdict(evidence), effects[0], use.share.size, text, draw, more, evidence=evidence)


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
