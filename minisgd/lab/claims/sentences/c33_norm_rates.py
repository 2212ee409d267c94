"""Claim 33: batch normalisation allows higher learning rates."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every, some
from minisgd.lab.claims.experiments import usable_range
from minisgd.lab.claims.experiments.fixed_budget import Endings
from minisgd.lab.claims.experiments.usable_range import UsableRange
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.sentences.c27_normalisation import EPOCHS, trained
from minisgd.lab.claims.statistics import Estimate, log_ratio, ratio_of
from minisgd.typing import Generator

RULE = Rule(
    {
        "smallest": above(
            "at the smallest batch, the highest usable rate is at least {margin} higher with batch normalisation",
            QUARTER,
        ),
        "middle": above("so it is at a batch size in the middle", QUARTER),
        "largest": above("so it is at the largest batch", QUARTER),
    },
    supported=every("smallest", "middle", "largest"),
    qualified=some("smallest", "middle", "largest"),
)


def judge(rng: Generator, none: Endings, batch: Endings) -> Finding:
    """Compare the highest usable learning rates with and without normalisation, at three batch sizes."""
    without, with_ = (usable_range.usable_range(runs) for runs in (none, batch))
    sizes = with_.batch_sizes
    at = {"smallest": 0, "middle": len(sizes) // 2, "largest": len(sizes) - 1}
    evidence = {name: _higher(with_, without, k) for name, k in at.items()}
    said = [f"{words.count(ratio_of(evidence[name]).value)} times at batch size {sizes[k]}" for name, k in at.items()]
    tables = {"without": without.high, "with batch normalisation": with_.high}
    return Finding.of(
        RULE,
        evidence,
        [
            Effect.ratio(f"highest usable learning rate at batch size {sizes[k]}: with / without", evidence[name])
            for name, k in at.items()
        ],
        none.training_runs + batch.training_runs,
        f"With batch normalisation, the highest usable learning rate is {words.join(said)} that without.",
        lambda ax: each_against_batch(ax, sizes, tables, "highest usable learning rate"),
        [f"{name}: {text}" for name, found in (("With", with_), ("Without", without)) for text in found.cautions()],
    )


def _higher(with_: UsableRange, without: UsableRange, k: int) -> Estimate:
    """Estimate the log-ratio of the highest usable rates; where the grid cuts one, that end is not bounded."""
    found = log_ratio(with_.high[k], without.high[k])
    if with_.batch_sizes[k] in with_.open_high:
        found = replace(found, high=math.inf, high90=math.inf)
    if without.batch_sizes[k] in without.open_high:
        found = replace(found, low=-math.inf, low90=-math.inf)
    return found if np.isfinite(found.value) else Estimate.unbounded(math.nan)


CLAIM = Claim(
    number=33,
    says="Batch normalisation allows higher learning rates.",
    sources=("S4",),
    experiment=f"The training runs of claim 27: {EPOCHS} epochs at every batch size over a grid of learning rates, "
    "with and without batch normalisation; a rate is usable as in claim 13.",
    effect="Ratio of the highest usable learning rates with and without batch normalisation, at the smallest, a middle "
    "and the largest batch size; 95% over paired seeds.",
    rule=RULE,
    would_change="A network so shallow, or features so well scaled, that nothing grows from layer to layer.",
    held_fixed="Number of epochs, initial weights of each seed, order of the examples, plain SGD.",
    needs={"none": trained("none"), "batch": trained("batch")},
    judge=judge,
)
