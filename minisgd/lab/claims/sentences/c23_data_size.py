"""Claim 23: large data sets want larger batches."""

from __future__ import annotations

import math

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import Rule, above, every, fails
from minisgd.lab.claims.experiments import critical
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.setting import Setting
from minisgd.typing import Generator

PARTS = (0.25, 0.5, 1.0)
"""Of the examples, and of the width: parts cost less than multiples."""

SIZES = (4, 16, 64, 256)
"""Batch sizes that a quarter of the data holds as well."""

MARGIN = 0.5
"""In proportion would be a slope of 1; below 0.5, four times the data want less than twice the batch."""

QUARTER, NARROW = Setting(share=0.25), Setting(width=0.25)

RULE = Rule(
    {
        "half": above("the slope is above {margin}", MARGIN, "number"),
        "grows": above("the slope is above {margin}", 0.0, "number"),
    },
    supported=every("half"),
    qualified=every("grows"),
    refuted=fails("half"),
)


def judge(
    rng: Generator,
    quarter: TargetRuns,
    half: TargetRuns,
    whole: TargetRuns,
    own: TargetRuns,
    narrow: TargetRuns | None = None,
    medium: TargetRuns | None = None,
    wide: TargetRuns | None = None,
) -> Finding:
    """Fit the slope of log Bcrit against log N, all trained to the same target; then against log width, if any."""
    by_data = (quarter, half, whole)
    by_width = [run for run in (narrow, medium, wide) if run is not None]
    logs = [math.log(part) for part in PARTS]
    slope = critical.trend(logs, by_data, rng)
    farther = critical.trend((0, 1), (quarter, own), rng)
    names = [f"N = {run.n_train:,}" for run in by_data]
    text = (
        f"Trained to the same target, {words.join([f'{run.n_train:,}' for run in by_data])} examples have critical "
        f"batch sizes of {critical.describe(by_data)}. They go as N^{slope.value:.2f}."
    )
    effects = [Effect.of("slope of log Bcrit against log N", slope)]
    if len(by_width) == len(PARTS):
        text += f" Networks of a quarter of the width, half of it and all of it have {critical.describe(by_width)}."
        effects.append(Effect.of("slope of log Bcrit against log width", critical.trend(logs, by_width, rng)))
    effects.append(Effect.ratio("Bcrit: N / N/4, each to a target of its own", farther))
    return Finding.of(
        RULE,
        {"half": slope, "grows": slope},
        effects,
        sum(run.training_runs for run in (*by_data, *by_width)),
        text,
        lambda ax: critical.draw(ax, by_data, names),
        critical.cautions(by_data, names),
    )


CLAIM = Claim(
    number=23,
    says="Large data sets want larger batches.",
    sources=("S2",),
    experiment="Train on all examples, on half and on a quarter of them, to the validation loss that a quarter allows; "
    "fit S(B) = Smin + Emin/B to the steps of tuned runs. Likewise on all examples with hidden layers of the full "
    "width, half and a quarter of it.",
    effect="Slope of log Bcrit against log N, Bcrit = Emin/Smin; 95% over paired seeds.",
    rule=RULE,
    would_change="More data allow a harder target, at which gradients are noisier: the critical batch size that each "
    "data set has at a target of its own may grow with it. A batch that is most of a small data set has less noise.",
    held_fixed="Target, validation examples, class shares, initial weights of each seed, plain SGD with the learning "
    "rate tuned at every batch size.",
    needs={
        "quarter": RunToTarget(QUARTER, SIZES),
        "half": RunToTarget(Setting(share=0.5), SIZES, target_of=QUARTER),
        "whole": RunToTarget(Setting(), SIZES, target_of=QUARTER),
        "own": RunToTarget(),
    },
    optional={
        "narrow": RunToTarget(NARROW, SIZES),
        "medium": RunToTarget(Setting(width=0.5), SIZES, target_of=NARROW),
        "wide": RunToTarget(Setting(), SIZES, target_of=NARROW),
    },
    judge=judge,
    unseen=True,
)
