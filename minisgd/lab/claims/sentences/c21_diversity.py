"""Claim 21: the diversity of a batch."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import TEN_PERCENT, Rule, above, every, some
from minisgd.lab.claims.experiments.distinct import CountDistinct, Distinct
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.statistics import log_ratio
from minisgd.typing import Generator

RULE = Rule(
    {
        "distinct examples": above(
            "the smallest batch shows at least {margin} more distinct examples than the largest", TEN_PERCENT
        ),
        "classes": above("it shows at least {margin} more classes", TEN_PERCENT),
    },
    supported=every("distinct examples", "classes"),
    qualified=some("distinct examples", "classes"),
)


def judge(rng: Generator, counts: Distinct) -> Finding:
    """Ask whether the smallest batch shows more distinct examples, or classes, than the largest."""
    tables = {"distinct examples": counts.examples}
    if counts.classes is not None:
        tables["classes"] = counts.classes
    ratios = {name: log_ratio(table[0], table[-1]) for name, table in tables.items()}
    small, large = counts.batch_sizes[0], counts.batch_sizes[-1]
    first, last = (
        " and ".join(f"{words.count(float(np.median(table[k])))} {name}" for name, table in tables.items())
        for k in (0, -1)
    )
    return Finding.of(
        RULE,
        ratios,
        [Effect.ratio(f"{name} in a batch: batch size {small} / {large}", ratio) for name, ratio in ratios.items()],
        counts.examples.size,
        f"A batch of {small} shows {first}; a batch of {large} shows {last}.",
        lambda ax: each_against_batch(ax, counts.batch_sizes, tables, "in a batch"),
    )


CLAIM = Claim(
    number=21,
    says="A small batch exposes the model to more diverse examples per iteration.",
    sources=("S3",),
    experiment="Draw 64 batches of each size as training runs draw them, and count the distinct examples and the "
    "classes in each; examples with equal features count once.",
    effect="Ratio of the distinct examples in a batch, and of the classes, at the smallest and the largest batch size; "
    "95% over the seeds.",
    rule=RULE,
    would_change="Nothing that draws batches evenly: a larger batch holds at least what a part of it holds. Over an "
    "epoch every batch size shows the same examples.",
    held_fixed="Data, order of the examples of each seed, number of batches looked at.",
    needs={"counts": CountDistinct()},
    judge=judge,
    learns=False,
)
