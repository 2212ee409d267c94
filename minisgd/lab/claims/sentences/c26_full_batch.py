"""Claim 26: the full batch is precise, but expensive."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every, some
from minisgd.lab.claims.experiments.gradient_error import GradientError, MeasureGradientError
from minisgd.lab.claims.experiments.step_flops import CountFlops, StepFlops
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.lab import FULL
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.statistics import difference, log_ratio, ratio_of
from minisgd.lab.plots import BLUE, ORANGE
from minisgd.typing import Generator

TENTH = 0.1
"""An error of less than a tenth of the gradient changes little."""

RULE = Rule(
    {
        "precise": above(
            "the gradient of the smallest batch is off by at least {margin} of its length more", TENTH, "number"
        ),
        "expensive": above(
            "the full batch takes at least {margin} more FLOPs to the target than the cheapest", QUARTER
        ),
    },
    supported=every("precise", "expensive"),
    qualified=some("precise", "expensive"),
)


def judge(
    rng: Generator, runs: TargetRuns, full: TargetRuns, flops: StepFlops, full_flops: StepFlops, errors: GradientError
) -> Finding:
    """Compare the gradient errors of the full and the smallest batch, and the FLOPs of the full and the cheapest."""
    sizes = (*runs.batch_sizes, *full.batch_sizes)
    each = dict(zip((*flops.batch_sizes, *full_flops.batch_sizes), (*flops.flops, *full_flops.flops), strict=True))
    work = np.concatenate([runs.best_steps, full.best_steps]) * np.array([each[b] for b in sizes])[:, None]  # (K, S)
    cheapest = int(np.median(work, axis=1).argmin())
    precision = difference(errors.error[0], errors.error[-1])
    expense = log_ratio(work[-1], work[cheapest], max(1, len(work) - 1))
    times, small, n = words.count(ratio_of(expense).value), sizes[0], sizes[-1]
    off, of_full = (float(np.median(errors.error[k])) for k in (0, -1))
    step = each[n] / each[small]
    text = (
        f"The gradient of {small} examples is off by {100 * off:.3g}% of the full gradient, that of all {n:,} by "
        f"{100 * of_full:.2g}%. A full step takes {words.count(step)} times the FLOPs of a step of {small}; to the "
        f"target the full batch takes {times} times the FLOPs of batch size {sizes[cheapest]}, the cheapest."
    )

    def draw(ax: Axes) -> None:
        mini = slice(len(errors.batch_sizes) - 1)  # that of the full batch is zero, which has no place on this axis
        name = "gradient error, in units of the full gradient"
        against_batch(ax, errors.batch_sizes[mini], errors.error[mini], "ratio", color=ORANGE, name=name)
        least = np.median(work[cheapest])
        if np.isfinite(least):
            against_batch(ax, sizes, work / least, "ratio", color=BLUE, name="FLOPs to target, in units of the least")

    return Finding.of(
        RULE,
        {"precise": precision, "expensive": expense},
        [
            Effect.ratio(f"FLOPs to target: full batch / batch size {sizes[cheapest]}", expense),
            Effect.of(f"gradient error: batch size {small} less full batch", precision),
            Effect.exact(f"FLOPs of a step: full batch / batch size {small}", step),
        ],
        runs.training_runs + full.training_runs,
        text,
        draw,
        (*runs.cautions(), *full.cautions()),
    )


CLAIM = Claim(
    number=26,
    says="Full-batch gradient descent is precise, but expensive.",
    sources=("S4",),
    experiment="At the fresh weights of every seed, compare the gradients of batches with that of all training "
    "examples. Train to the same target at every batch size and with the full batch, each at its tuned learning rate; "
    "multiply the steps by the FLOPs of a step, counted from its recorded program.",
    effect="FLOPs to target of the full batch over those of the cheapest batch size; gradient error |g − G|/|G| of the "
    "smallest batch less that of the full one; 95% over paired seeds.",
    rule=RULE,
    would_change="Examples that all have the same gradient: then one is as precise as all of them. As an estimate for "
    "data not seen, the full gradient is off as well, by what a larger data set would change.",
    held_fixed="Target, initial weights of each seed, optimizer (plain SGD, learning rate tuned at every batch size).",
    needs={
        "runs": RunToTarget(),
        "full": RunToTarget(batch_sizes=(FULL,)),
        "flops": CountFlops(),
        "full_flops": CountFlops(batch_sizes=(FULL,)),
        "errors": MeasureGradientError(),
    },
    judge=judge,
    unseen=True,
)
