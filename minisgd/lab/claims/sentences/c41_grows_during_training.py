"""Claim 41: the critical batch size grows during training."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every, some
from minisgd.lab.claims.experiments import critical
from minisgd.lab.claims.experiments.fixed_budget import Endings, FixedBudget
from minisgd.lab.claims.experiments.measures import NoiseScale
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.sentences.c23_data_size import CLAIM as DATA_SIZE
from minisgd.lab.claims.statistics import log_ratio
from minisgd.typing import Generator

EARLY, LATE = 0.25, 10
"""Epochs before the first and the second look."""

SAME = "All of the data allow no farther a target than a quarter: only the noise scale is compared."

RULE = Rule(
    {
        "noise": above(
            f"the noise scale is at least {{margin}} larger after {LATE} epochs than after {EARLY:g}", QUARTER
        ),
        "farther": above("the critical batch size is at least {margin} larger to the farther of two targets", QUARTER),
    },
    supported=every("noise", "farther"),
    qualified=some("noise", "farther"),
)


def judge(rng: Generator, early: Endings, late: Endings, near: TargetRuns, far: TargetRuns) -> Finding:
    """Compare the noise scale early and late, and the critical batch sizes to a near and a far target."""
    scales = [looks.table("noise_scale")[0, 0] for looks in (early, late)]  # (S,) each
    evidence = {"noise": log_ratio(scales[1], scales[0])}
    first, last = (words.size(float(np.median(scale))) for scale in scales)
    text = f"The noise scale tr Σ / |G|² goes from {first} after {EARLY:g} epochs to {last} after {LATE}"
    effects = [Effect.ratio(f"noise scale tr Σ / |G|²: after {LATE} epochs / after {EARLY:g}", evidence["noise"])]
    runs, targets = (near, far), ("near target", "far target")
    cautions = critical.cautions(runs, targets)
    if far.target.value < near.target.value:  # validation losses
        evidence["farther"] = critical.trend((0, 1), runs, rng)
        text += (
            f"; to a validation loss of {words.number(near.target.value)} and of {words.number(far.target.value)} the "
            f"critical batch sizes are {critical.describe(runs)}"
        )
        effects.append(Effect.ratio("Bcrit = Emin/Smin: far / near target", evidence["farther"]))
    else:
        cautions = (SAME, *cautions)
    return Finding.of(
        RULE,
        evidence,
        effects,
        early.training_runs + late.training_runs + near.training_runs + far.training_runs,
        f"{text}.",
        lambda ax: critical.draw(ax, runs, targets),
        cautions,
    )


def _look(epochs: float) -> FixedBudget:
    return FixedBudget(epochs=epochs, batch_sizes=(16,), multiples=(1.0,), measures=(NoiseScale(),))


CLAIM = Claim(
    number=41,
    says="The critical batch size grows during training.",
    sources=("McCandlish et al. 2018, abstract", "Merrill et al. 2025 (arXiv 2505.23971), abstract"),
    experiment=f"Train with batches of 16 and take the noise scale tr Σ / |G|² over all training examples after "
    f"{EARLY:g} and after {LATE} epochs; and train at every batch size to two validation losses, that which a quarter "
    "of the data allows and that which all do, and fit S(B) = Smin + Emin/B to the steps of tuned runs.",
    effect="Ratio of the noise scales late and early; ratio of the critical batch sizes Emin/Smin to the farther and "
    "the nearer target; 95% over paired seeds.",
    rule=RULE,
    would_change="Data that the network fits exactly: the noise of their gradients vanishes with the gradient.",
    held_fixed="Data, network, initial weights of each seed, plain SGD.",
    needs={"early": _look(EARLY), "late": _look(LATE), "near": DATA_SIZE.needs["whole"], "far": RunToTarget()},
    judge=judge,
)
