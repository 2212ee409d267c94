"""Claim 4: the noise of the gradient against batch size."""

from __future__ import annotations

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding, undecided
from minisgd.lab.claims.decision import Rule, below, every
from minisgd.lab.claims.experiments.gradient_variance import GradientVariance, MeasureGradientVariance
from minisgd.lab.claims.pictures import Axes, against_batch, reference
from minisgd.lab.claims.statistics import log_slope
from minisgd.typing import Generator

MARGIN = 0.1
"""A slope within 0.1 of another is the same."""

SLOPE = "slope of log variance against log B"

RULE = Rule(
    {"slope": below("the slope is below −{margin}; averaging independent examples gives −1", MARGIN, "number")},
    supported=every("slope"),
)


def judge(rng: Generator, noise: GradientVariance) -> Finding:
    """Fit the slope of log variance against log B, freed of the factor 1 − B/N of drawing without replacement."""
    sizes = np.array(noise.batch_sizes, float)
    freed = noise.variance / (1 - sizes / noise.n_train)[:, None]
    if not (noise.variance > 0).all():
        return undecided(SLOPE, "The examples have one gradient in common: none is noisy.")
    slope = log_slope(sizes, freed)
    exact = slope.shifted(1).within(MARGIN)
    text = (
        f"The variance of the gradient goes as B^{slope.value:.2f}"
        + (", the −1 of averaging independent examples" if exact else ", which is not the −1 of averaging")
        + f"; the smallest batch has {freed[0].mean() / freed[-1].mean():.3g} times the variance of the largest."
    )

    def draw(ax: Axes) -> None:
        against_batch(ax, noise.batch_sizes, noise.variance, "variance of the gradient", name="measured")
        total = np.median(freed * sizes[:, None])
        reference(ax, sizes, total * (1 / sizes - 1 / noise.n_train), "tr Σ (1/B − 1/N)")

    return Finding.of(RULE, {"slope": slope}, [Effect.of(SLOPE, slope)], noise.variance.size, text, draw)


CLAIM = Claim(
    number=4,
    says="Small batches give noisier gradients.",
    sources=("S0", "S1", "S3", "S4"),
    experiment="At the fresh weights of every seed, draw 64 batches of each size without replacement; take the total "
    "variance of their gradients.",
    effect="Slope of log variance against log B after dividing by 1 − B/N; 95% over paired seeds.",
    rule=RULE,
    would_change="Examples of a batch that are copies of one another: then averaging removes nothing.",
    held_fixed="Weights, paired by seed; the number of batches drawn.",
    needs={"noise": MeasureGradientVariance()},
    judge=judge,
    learns=False,
)
