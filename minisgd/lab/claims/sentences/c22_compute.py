"""Claim 22: what small batches cost to compute."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every, some
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.experiments.step_flops import CountFlops, StepFlops
from minisgd.lab.claims.experiments.three_axes import log_seconds_ratio, seconds_to_target
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.statistics import chosen_among, ratio_of
from minisgd.lab.plots import BLUE, GREEN
from minisgd.typing import Generator

RULE = Rule(
    {
        "FLOPs": above("the smallest batch takes at least {margin} more FLOPs than the cheapest", QUARTER),
        "seconds": above("it takes at least {margin} more seconds than the cheapest", QUARTER),
    },
    supported=every("FLOPs", "seconds"),
    qualified=some("FLOPs", "seconds"),
)


def judge(rng: Generator, runs: TargetRuns, times: StepTimes, flops: StepFlops) -> Finding:
    """Compare the smallest batch with the cheapest one, in arithmetic and in time."""
    each = dict(zip(flops.batch_sizes, flops.flops, strict=True))
    tables = {
        "FLOPs": runs.best_steps * np.array([each[b] for b in runs.batch_sizes])[:, None],
        "seconds": seconds_to_target(runs, times),
    }
    cheapest = {name: int(np.median(table, axis=1).argmin()) for name, table in tables.items()}
    best = {name: runs.batch_sizes[k] for name, k in cheapest.items()}
    small, among = runs.batch_sizes[0], max(1, len(runs.batch_sizes) - 1)
    extra = {name: runs.log_ratio(0, k) for name, k in cheapest.items()}
    extra["FLOPs"] = extra["FLOPs"].shifted(math.log(each[small] / each[best["FLOPs"]]))
    extra["seconds"] = extra["seconds"].plus(log_seconds_ratio(times, small, best["seconds"]))
    extra = {name: chosen_among(effect, among) for name, effect in extra.items()}
    said = [
        f"the fewest {name}"
        if best[name] == small
        else f"{words.count(ratio_of(effect).value)} times the {name} of batch size {best[name]}"
        for name, effect in extra.items()
    ]

    def draw(ax: Axes) -> None:
        for (name, table), color in zip(tables.items(), (BLUE, GREEN), strict=True):
            least = np.median(table[cheapest[name]])
            if np.isfinite(least):
                label = "to target, in units of the least"
                against_batch(ax, runs.batch_sizes, table / least, label, color=color, name=name)

    return Finding.of(
        RULE,
        extra,
        [
            Effect.ratio(f"{name} to target: batch size {small} / the cheapest, {best[name]}", effect)
            for name, effect in extra.items()
        ],
        runs.training_runs,
        f"To the target, batch size {small} takes {said[0]}, and {said[1]}.",
        draw,
        runs.cautions(),
    )


CLAIM = Claim(
    number=22,
    says="Small batches cost more compute.",
    sources=("S3",),
    experiment="Train to the same target at every batch size, each at its tuned learning rate; multiply the steps by "
    "the FLOPs of a step, counted from its recorded program, and by its seconds, measured on single networks.",
    effect="FLOPs to target, and seconds to target, of the smallest batch size over those of the cheapest; 95% over "
    "paired seeds.",
    rule=RULE,
    would_change="A machine without overhead per step, on which time is arithmetic; or an optimizer whose update is as "
    "much work as a batch.",
    held_fixed="Target, initial weights of each seed, optimizer (plain SGD, learning rate tuned at every batch size).",
    needs={"runs": RunToTarget(), "times": TimeSteps(), "flops": CountFlops()},
    judge=judge,
    unseen=True,
)
