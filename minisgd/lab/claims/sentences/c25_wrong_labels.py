"""Claim 25: noisy data wants small batches."""

from __future__ import annotations

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, below, every, side
from minisgd.lab.claims.experiments import critical
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.setting import Setting
from minisgd.typing import Generator

SHARES = (0.0, 0.2, 0.4)
"""Of the training labels that are made wrong."""

SIZES = (4, 16, 64, 256)
"""The plateau beyond is long: larger batches cost much and say little."""

NOISIEST = Setting(flipped=SHARES[-1])

RULE = Rule(
    {"smaller": below("40% of wrong labels make the critical batch size at least {margin} smaller", QUARTER)},
    supported=every("smaller"),
)


def judge(rng: Generator, clean: TargetRuns, some: TargetRuns, many: TargetRuns, own: TargetRuns) -> Finding:
    """Compare the critical batch sizes with wrong labels and without."""
    runs = (clean, some, many)
    ratio, farther = (critical.trend((0, 1), (first, many), rng) for first in (clean, own))
    shares = [f"{100 * share:.0f}%" for share in SHARES]
    names = [f"{share} wrong labels" for share in shares]
    text = (
        f"Trained to the same target, {words.join(shares)} of wrong labels have critical batch sizes of "
        f"{critical.describe(runs)}."
    )
    if side(ratio, QUARTER) == "more":
        text += " Noise is what larger batches average away: the noisier the data, the longer they pay."
    return Finding.of(
        RULE,
        {"smaller": ratio},
        [
            Effect.ratio(f"Bcrit: {names[-1]} / none", ratio),
            Effect.ratio("the same, each to a target of its own", farther),
        ],
        sum(run.training_runs for run in runs),
        text,
        lambda ax: critical.draw(ax, runs, names),
        critical.cautions(runs, names),
    )


CLAIM = Claim(
    number=25,
    says="Noisy data wants small batches.",
    sources=("S2",),
    experiment="Give none, 20% and 40% of the training labels another class; train each to the validation loss (on "
    "labels left alone) that the noisiest allows; fit S(B) = Smin + Emin/B to the steps of tuned runs.",
    effect="Ratio of the critical batch sizes Emin/Smin with 40% of wrong labels and with none; 95% over paired seeds.",
    rule=RULE,
    would_change="Noise that a larger batch does not average away, as labels that are wrong in the same way.",
    held_fixed="Target, validation labels, features, initial weights of each seed, plain SGD with the learning rate "
    "tuned at every batch size.",
    needs={
        "clean": RunToTarget(Setting(), SIZES, target_of=NOISIEST),
        "some": RunToTarget(Setting(flipped=SHARES[1]), SIZES, target_of=NOISIEST),
        "many": RunToTarget(NOISIEST, SIZES),
        "own": RunToTarget(),
    },
    judge=judge,
    unseen=True,
)
