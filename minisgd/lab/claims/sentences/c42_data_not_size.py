"""Claim 42: the critical batch size follows the data, not the size of the network."""

from __future__ import annotations

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, differs, every, fails
from minisgd.lab.claims.experiments import critical
from minisgd.lab.claims.experiments.to_target import TargetRuns
from minisgd.lab.claims.sentences.c23_data_size import CLAIM as DATA_SIZE
from minisgd.typing import Generator

RULE = Rule(
    {
        "data": above("four times the data have a critical batch size at least {margin} larger", QUARTER),
        "size": differs("four times the width have one that differs by at least {margin}", QUARTER),
    },
    supported=every("data", fails("size")),
    qualified=every("data"),
)


def judge(rng: Generator, quarter: TargetRuns, own: TargetRuns, narrow: TargetRuns, wide: TargetRuns) -> Finding:
    """Compare the critical batch sizes of N/4 and N examples, and of a quarter of the width and all of it."""
    data, size = (critical.trend((0, 1), pair, rng) for pair in ((quarter, own), (narrow, wide)))
    runs = (quarter, own, narrow, wide)
    shown = ("all", "a quarter of the data", "a quarter of the width")
    return Finding.of(
        RULE,
        {"data": data, "size": size},
        [
            Effect.ratio("Bcrit = Emin/Smin: N / N/4 examples, each to a target of its own", data),
            Effect.ratio("Bcrit = Emin/Smin: full / a quarter of the width, to the same target", size),
        ],
        sum(run.training_runs for run in runs),
        f"A quarter of the examples and all of them have critical batch sizes of {critical.describe(runs[:2])}; a "
        f"quarter of the width and all of it {critical.describe(runs[2:])}.",
        lambda ax: critical.draw(ax, (own, quarter, narrow), shown),
        critical.cautions(runs, ("N/4", "N", "narrow", "wide")),
    )


CLAIM = Claim(
    number=42,
    says="The critical batch size follows the data, not the size of the network.",
    sources=("Zhang et al. 2024 (arXiv 2410.21676), abstract",),
    experiment="Training runs of claim 23: a quarter of the examples and all of them, each to the validation loss that "
    "they allow, as more data are there to go further; hidden layers of a quarter of the width and of all of it, to "
    "the validation loss that the narrow network allows.",
    effect="Ratios of the critical batch sizes Emin/Smin (any definition that is a share of it has the same) with four "
    "times the data, and with four times the width; 95% over paired seeds.",
    rule=RULE,
    would_change="Data of which a quarter allows the same loss as all; a network so narrow that width decides what it "
    "can learn.",
    held_fixed="Validation examples, class shares, initial weights of each seed, plain SGD with the learning rate "
    "tuned at every batch size.",
    needs={
        "quarter": DATA_SIZE.needs["quarter"],
        "own": DATA_SIZE.needs["own"],
        "narrow": DATA_SIZE.optional["narrow"],
        "wide": DATA_SIZE.optional["wide"],
    },
    judge=judge,
    unseen=True,
)
