"""Claim 32: 32 to 512 are common batch sizes, a balance of accuracy and efficiency."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding, undecided
from minisgd.lab.claims.decision import Rule, above, every, fails, some
from minisgd.lab.claims.experiments import generalisation_gap as gaps
from minisgd.lab.claims.experiments import three_axes
from minisgd.lab.claims.experiments.fixed_budget import Endings
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.statistics import chosen_among, log_ratio, ratio_of
from minisgd.lab.plots import BLUE
from minisgd.typing import Generator, HostArray

COMMON = (32, 512)

FIFTH = math.log(1.2)
"""Within 20% of the best is as good."""

RULE = Rule(
    {
        "slower": above(
            "the fastest batch size from 32 to 512 takes at least {margin} more seconds to the target than the fastest "
            "outside",
            FIFTH,
        ),
        "worse": above(
            "after enough training, the best from 32 to 512 has at least {margin} more validation loss than the best "
            "outside",
            FIFTH,
        ),
    },
    supported=every(fails("slower"), fails("worse")),
    qualified=some(fails("slower"), fails("worse")),
    refuted=every("slower", "worse"),
)


def judge(rng: Generator, runs: TargetRuns, times: StepTimes, epochs: Endings, steps: Endings) -> Finding:
    """Compare the best of the common batch sizes with the best of the others, in seconds and in validation loss."""
    seconds = three_axes.seconds_to_target(runs, times)
    loss = gaps.longest(epochs, steps, "val_loss")
    if any(len(set(map(_common, sizes))) < 2 for sizes in (runs.batch_sizes, epochs.batch_sizes)):
        return undecided("seconds to target", "The batch sizes compared are not both inside and outside 32 to 512.")
    medians = np.median(seconds, axis=1)
    fast, rival = (_best(runs.batch_sizes, medians, inside) for inside in (1, 0))
    good, other = (_best(epochs.batch_sizes, np.median(loss, axis=1), inside) for inside in (1, 0))
    b, c = runs.batch_sizes[fast], runs.batch_sizes[rival]
    here, there = epochs.batch_sizes[good], epochs.batch_sizes[other]
    pairs = sum(map(_common, runs.batch_sizes)) * sum(not _common(each) for each in runs.batch_sizes)
    slower = runs.log_ratio(fast, rival).plus(three_axes.log_seconds_ratio(times, b, c))
    evidence = {"slower": chosen_among(slower, pairs), "worse": log_ratio(loss[good], loss[other], pairs)}
    longer, more = (words.count(ratio_of(effect).value) for effect in evidence.values())
    near = [str(size) for size, t in zip(runs.batch_sizes, medians, strict=True) if t <= 1.2 * medians.min()]
    text = (
        f"Within 20% of the fastest to the target: batch size {words.join(near) or 'unknown'}. The fastest common "
        f"size, {b}, takes {longer} times the seconds of {c}; the best common size, {here}, ends with {more} times "
        f"the validation loss of {there}."
    )

    def draw(ax: Axes) -> None:
        against_batch(ax, runs.batch_sizes, seconds, "seconds to target", name="seconds to target")
        ax.axvspan(*COMMON, color=BLUE, alpha=0.08, lw=0)

    effects = [
        Effect.ratio(f"seconds to target: batch size {b} / {c}", evidence["slower"]),
        Effect.ratio(f"validation loss: batch size {here} / {there}", evidence["worse"]),
    ]
    n = runs.training_runs + epochs.training_runs + steps.training_runs
    return Finding.of(RULE, evidence, effects, n, text, draw, runs.cautions())


def _common(batch_size: int) -> bool:
    return COMMON[0] <= batch_size <= COMMON[1]


def _best(sizes: tuple[int, ...], cost: HostArray, inside: int) -> int:
    """Return the number of the cheapest batch size inside the common ones, or outside."""
    return min((k for k, b in enumerate(sizes) if _common(b) == inside), key=lambda k: float(cost[k]))


CLAIM = Claim(
    number=32,
    says="Batch sizes from 32 to 512 are common: a balance of accuracy and efficiency.",
    sources=("S4",),
    experiment="Train to the same target at every batch size with its tuned learning rate, and multiply the steps by "
    "the seconds of a step; take the validation losses of claim 10 after enough training. Compare the best of the "
    "batch sizes from 32 to 512 with the best of the others.",
    effect="Ratio of the seconds to target of the fastest common and the fastest other batch size, and of the lowest "
    "validation losses; 95% over paired seeds and visits.",
    rule=RULE,
    would_change="A problem without noise, on which one example says as much as many; or a data set and a machine so "
    "large that batches of thousands still pay.",
    held_fixed="Target, initial weights of each seed, plain SGD with the learning rate tuned at every batch size.",
    needs={"runs": RunToTarget(), "times": TimeSteps(), "epochs": gaps.EPOCHS, "steps": gaps.STEPS},
    judge=judge,
    unseen=True,
)
