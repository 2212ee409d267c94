"""``ms.gradient_noise``: how much the gradients of single examples differ, and what that makes of the batch size."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from minisgd.data import Dataset, Split
from minisgd.errors import ArgumentError, DivergedError
from minisgd.lab.instruments.examples.subject import Examples
from minisgd.lab.instruments.noise.curvature import NoiseCurvature, noise_curvature
from minisgd.lab.instruments.noise.interval import NoiseInterval, interval_of_examples
from minisgd.lab.instruments.noise.predict import StepPrediction
from minisgd.lab.instruments.objective import Objective
from minisgd.nn import Loss, Network
from minisgd.training.example_pass import InnerProducts, SquaredNorms
from minisgd.typing import HostArray, Seed

LEAST_EXAMPLES = 4
"""With fewer, leaving one out leaves no spread."""


@dataclass(frozen=True)
class GradientNoise:
    """The noise of a gradient at a point, with G the mean gradient and Σ the covariance of those of single examples.

    grad_sq_norm |G|²      trace_covariance tr Σ, denominator N − 1
    b_simple tr Σ/|G|²     low, high: the values of b_simple that are not ruled out (99%)
    b_noise tr(HΣ)/GᵀHG    lr_max |G|²/GᵀHG    loss_drop_max |G|⁴/(2 GᵀHG)
    noise_curvature tr(HΣ) and gradient_curvature GᵀHG; noise_curvature_error: its standard error, of random directions
    examples: how many were looked at, of a population   exact: all of them
    how: in words

    Where the estimate of |G|² is negative it is lost in the noise: it is given as it is, b_simple is NaN and
    ``resolved`` False. High is infinite where |G|² = 0 is not ruled out.
    """

    grad_sq_norm: float
    trace_covariance: float
    b_simple: float
    low: float
    high: float
    b_noise: float
    lr_max: float
    loss_drop_max: float
    gradient_curvature: float
    noise_curvature: float
    noise_curvature_error: float
    examples: int
    population: int
    exact: bool
    how: str

    @property
    def resolved(self) -> bool:
        """True if b_simple is bounded on both sides."""
        return isfinite(self.b_simple) and isfinite(self.high)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers."""
        names = (
            "grad_sq_norm",
            "trace_covariance",
            "b_simple",
            "b_noise",
            "lr_max",
            "examples",
            "exact",
            "low",
            "high",
        )
        return {name: getattr(self, name) for name in names}

    @property
    def prediction(self) -> StepPrediction:
        """What one step of SGD gains at a batch size."""
        return StepPrediction(self.grad_sq_norm, self.gradient_curvature, self.noise_curvature)

    def best_lr(self, batch_size: float) -> float:
        """Return lr_max / (1 + b_noise/B), the learning rate whose step at batch size B gains most."""
        return self.prediction.best_lr(batch_size)

    def loss_drop(self, batch_size: float) -> float:
        """Return loss_drop_max / (1 + b_noise/B), what that step gains on average."""
        return self.prediction.loss_drop(batch_size)


def gradient_noise(
    network: Network,
    data: Dataset | Split | tuple[Any, Any],
    *,
    loss: Loss | None = None,
    split: str = "train",
    examples: int | None = None,
    probes: int = 16,
    seed: Seed = 0,
) -> GradientNoise:
    """Measure |G|², tr Σ, B_simple, B_noise and what they predict, at the network's present weights, in float64.

    Over all examples |G|², tr Σ and B_simple are exact; tr(HΣ) is for one dense layer, and up to 1024 dimensions of
    noise. From a sample, drawn without replacement, all are estimates, and B_simple has an interval. Cost: two
    gradients with per-example norms; and where tr(HΣ) is estimated, or worked out direction by direction, a gradient
    and a Hessian-vector product (about four gradients) for each.

    Everything is as in evaluation: dropout off, batch normalisation by running statistics; weight decay, which
    belongs to the optimizer, is no part of it.

    data: a Dataset, of which ``split`` is taken; a Split; or (x, y)   loss: by default that of the task
    examples: how many to draw, by ``seed``; by default all   probes: random directions for tr(HΣ)

    Errors: ArgumentError for a network without weights or with weights that are not finite, for fewer than 4
    examples or more than there are; ShapeError or DataError for data that do not fit; DivergedError where gradients
    overflow.

    McCandlish, Kaplan, Amodei et al. 2018, An empirical model of large-batch training.
    """
    everything = Examples.of(network, data, loss, split)
    population = len(everything)
    n = _checked(examples, population)
    if isinstance(probes, bool) or not isinstance(probes, int) or probes < 2:
        raise ArgumentError("probes", expected="an integer of at least 2", got=probes, fix="16 give some 10%")
    rng = np.random.default_rng(seed)
    chosen = everything if n == population else everything.subset(np.sort(rng.permutation(population)[:n]))
    found, mean = _spread(chosen, population)
    objective = Objective(chosen.network, chosen.dataset, loss=chosen.loss)
    trace = noise_curvature(objective, chosen, mean, probes, rng, complete=n == population)
    along = float(mean @ objective.hessian_vector(objective.start, mean))
    # of a sample, GᵀHG is too large by the noise left in its mean
    prediction = StepPrediction(
        found.estimate.grad_sq_norm, along - trace.value * (1 / n - 1 / population), trace.value
    )
    return GradientNoise(
        grad_sq_norm=found.estimate.grad_sq_norm,
        trace_covariance=found.estimate.trace_covariance,
        b_simple=found.estimate.b_simple,
        low=found.low,
        high=found.high,
        b_noise=prediction.b_noise,
        lr_max=prediction.lr_max,
        loss_drop_max=prediction.loss_drop_max,
        gradient_curvature=prediction.gradient_curvature,
        noise_curvature=trace.value,
        noise_curvature_error=trace.error,
        examples=n,
        population=population,
        exact=n == population,
        how=_in_words(n, population, trace, probes),
    )


def _checked(examples: int | None, population: int) -> int:
    n = population if examples is None else examples
    fits = isinstance(n, int | np.integer) and not isinstance(n, bool) and LEAST_EXAMPLES <= n <= population
    if not fits:
        raise ArgumentError(
            "examples",
            expected=f"an integer from {LEAST_EXAMPLES} to the {population} there are",
            got=n,
            fix="leave it out to look at all" if population >= LEAST_EXAMPLES else "a spread needs more examples",
        )
    return int(n)


def _spread(examples: Examples, population: int) -> tuple[NoiseInterval, HostArray]:
    """Return the estimates of |G|² and tr Σ with their interval, and the mean gradient (P,)."""
    n, p = len(examples), examples.network.n_parameters
    norms, total, gradient = SquaredNorms(), np.zeros(p), np.zeros(p)
    sq_norms, products = np.empty(n), np.empty(n)
    for where, m in examples.passed(norms, gradient=gradient):
        sq_norms[where] = norms.rows[m].sum(0)
        total += gradient
    along = InnerProducts(total)
    for where, m in examples.passed(along):
        products[where] = along.rows[m].sum(0)
    if not np.isfinite(sq_norms).all():
        raise DivergedError(
            "gradient", expected="finite", got="overflow", fix="look at weights from before the training run diverged"
        )
    return interval_of_examples(sq_norms, products, float(total @ total), population), total / n


def _in_words(n: int, population: int, trace: NoiseCurvature, probes: int) -> str:
    norms = "all examples, exactly" if n == population else f"per-example gradients of {n} of {population} examples"
    curvature = "exactly" if trace.error == 0 else f"along {probes} random directions"
    return f"{norms}; tr(HΣ) {curvature}"
