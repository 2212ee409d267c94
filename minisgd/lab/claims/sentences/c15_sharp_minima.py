"""Claim 15: large batches find sharper minima."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every, side, some
from minisgd.lab.claims.experiments.curvature import MEASURES
from minisgd.lab.claims.experiments.fixed_budget import Endings
from minisgd.lab.claims.experiments.sharpness_at_target import SharpnessAtTarget
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.statistics import Estimate, log_ratio, ratio_of
from minisgd.lab.plots import BLUE, GREEN, ORANGE
from minisgd.typing import Generator

RULE = Rule(
    {
        "fixed lr": above(
            "λmax of the largest batch is at least {margin} higher than that of the smallest at one rate for all",
            QUARTER,
        ),
        "fixed lr/B": above("so it is where lr/B is fixed", QUARTER),
        "tuned lr": above("so it is at tuned rates", QUARTER),
    },
    supported=every("fixed lr", "fixed lr/B", "tuned lr"),
    qualified=some("fixed lr", "fixed lr/B", "tuned lr"),
)


def judge(rng: Generator, fixed: Endings, per_example: Endings, tuned: Endings) -> Finding:
    """Compare λmax of the largest batch with that of the smallest, under three rules for the learning rate."""
    arms = {"fixed lr": fixed, "fixed lr/B": per_example, "tuned lr": tuned}
    ratios = {
        (rule, name): log_ratio(runs.at(name, 0)[-1], runs.at(name, 0)[0])
        for rule, runs in arms.items()
        for name in MEASURES
    }
    evidence = {rule: ratios[rule, "lambda_max"] for rule in arms}
    small, large = fixed.batch_sizes[0], fixed.batch_sizes[-1]
    said = [f"{words.count(ratio_of(ratio).value)} times at {rule}" for rule, ratio in evidence.items()]
    depth = np.nanmedian([runs.at("train_loss", 0) for runs in arms.values()])
    stability = np.median(tuned.at(lambda end: end.lr * end.extra.get("lambda_max", math.nan) / 2, 0)[-1])
    text = (
        f"At a training loss of {words.number(float(depth))}, batch size {large} has the λmax of batch size {small} "
        f"{words.join(said)}. With the tuned rate, λmax at {large} is {words.count(float(stability))} times 2/lr, "
        "beyond which full-batch descent is unstable."
    )
    tables = {rule: runs.at("lambda_max", 0) for rule, runs in arms.items()}
    return Finding.of(
        RULE,
        evidence,
        [
            Effect.ratio(f"{MEASURES[name]} at {rule}: batch size {large} / {small}", ratio)
            for (rule, name), ratio in ratios.items()
        ],
        sum(runs.training_runs for runs in arms.values()),
        text,
        lambda ax: each_against_batch(ax, fixed.batch_sizes, tables, "λmax", colors=(BLUE, GREEN, ORANGE)),
        _disagreements(arms, ratios),
    )


def _disagreements(arms: dict[str, Endings], ratios: dict[tuple[str, str], Estimate]) -> Iterator[str]:
    """State where another measure of sharpness goes the other way, and where the loss was never reached."""
    for rule, runs in arms.items():
        opposite = {"more": "less", "less": "more"}.get(side(ratios[rule, "lambda_max"], QUARTER))
        for name in ("keskar", "sam"):
            if opposite and side(ratios[rule, name], QUARTER) == opposite:
                yield (
                    f"At {rule}, {MEASURES[name]} says the opposite of λmax: it also rises with the gradient that is "
                    "left, which small batches keep large."
                )
        missed = [b for b, row in zip(runs.batch_sizes, runs.at("lambda_max", 0), strict=True) if np.isnan(row).any()]
        if missed:
            yield f"At {rule}, batch size {words.join([str(b) for b in missed])} did not reach the loss."


CLAIM = Claim(
    number=15,
    says="Large batches find sharper minima.",
    sources=("S4",),
    experiment="Train at every batch size until the training loss has come down to the same value, with the learning "
    "rate fixed, with lr/B fixed, and with it tuned for speed; there, measure λmax of the Hessian, Keskar's φ "
    "(ε = 1e-3) and SAM's rise (ρ = 0.05) on the same training examples.",
    effect="Ratio of λmax at the largest and the smallest batch size under each of the three rules; 95% over paired "
    "seeds.",
    rule=RULE,
    would_change="No noise in the gradient: then all batch sizes take the same path. If lr/B governs, the difference "
    "at a fixed rate is gone where lr/B is fixed, and shrinks where tuning raises the rate with the batch.",
    held_fixed="Training loss at which sharpness is measured, initial weights of each seed, examples measured on; "
    "plain SGD.",
    needs={
        "fixed": SharpnessAtTarget("fixed lr"),
        "per_example": SharpnessAtTarget("fixed lr/B"),
        "tuned": SharpnessAtTarget("tuned lr"),
    },
    judge=judge,
)
