"""``ms.gradient_noise``: how much the gradients of single examples differ, and what that makes of the batch size."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from minisgd.checks import is_integer
from minisgd.data import Dataset, Split
from minisgd.data.holdout import generator
from minisgd.errors import ArgumentError, DivergedError
from minisgd.lab.instruments.examples.subject import Examples
from minisgd.lab.instruments.noise.curvature import NoiseCurvature, noise_curvature
from minisgd.lab.instruments.noise.interval import NoiseInterval, interval_of_examples
from minisgd.lab.instruments.noise.predict import StepPrediction
from minisgd.lab.instruments.objective import Objective
from minisgd.nn import Loss, Network
from minisgd.tables import Shown, curves
from minisgd.training.example_pass import InnerProducts, SquaredNorms
from minisgd.typing import HostArray, Seed

LEAST_EXAMPLES = 4
"""With fewer, leaving one out leaves no spread."""


@dataclass(frozen=True)
class GradientNoise(Shown):
    """The noise of a gradient at a point: G is the mean gradient, Σ the covariance of single examples' gradients.

    Where the estimate of |G|² is negative, the gradient is lost in the noise: the estimate is reported as it is,
    ``b_simple`` is NaN and ``resolved`` False.

    Attributes:
        grad_sq_norm: |G|².
        trace_covariance: tr Σ, with denominator N − 1.
        b_simple: tr Σ / |G|².
        low: Lower end of the 99% interval of b_simple.
        high: Upper end; infinite where |G|² = 0 is not ruled out.
        b_noise: tr(HΣ) / GᵀHG.
        lr_max: |G|² / GᵀHG.
        loss_drop_max: |G|⁴ / (2 GᵀHG).
        gradient_curvature: GᵀHG.
        noise_curvature: tr(HΣ).
        noise_curvature_error: Its standard error over the random directions.
        examples: Number of examples used.
        population: Number of examples they were drawn from.
        exact: True if all examples were used.
        how: How the estimate was made, in words.
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
        names = "grad_sq_norm trace_covariance b_simple b_noise lr_max examples exact low high"
        return {name: getattr(self, name) for name in names.split()}

    @property
    def prediction(self) -> StepPrediction:
        """What one step of SGD gains at a batch size."""
        return StepPrediction(self.grad_sq_norm, self.gradient_curvature, self.noise_curvature)

    def best_lr(self, batch_size: float) -> float:
        """Return lr_max / (1 + b_noise/B), the learning rate whose step at batch size B gains most.

        Args:
            batch_size: B.
        """
        return self.prediction.best_lr(batch_size)

    def picture(self) -> str:
        drops = [(float(b), self.loss_drop(b)) for b in (2**k for k in range(self.population.bit_length()))]
        return curves({"loss drop of the best step": drops}, "batch size", "", logarithmic=True)

    def loss_drop(self, batch_size: float) -> float:
        """Return loss_drop_max / (1 + b_noise/B), what that step gains on average.

        Args:
            batch_size: B.
        """
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

    Over all examples |G|², tr Σ and B_simple are exact; tr(HΣ) is exact for one dense layer, and up to 1024 dimensions
    of noise. From a sample of n, drawn without replacement, all are estimates, and B_simple has an interval; GᵀHG and
    tr(HΣ) have a bias of order 1/n, since their H and their gradients are of the same examples: about a fifth of
    tr(HΣ) with 64 images of digits. Cost: two gradients with per-example norms; where tr(HΣ) is estimated, or computed
    direction by direction, also a gradient and a Hessian-vector product (about four gradients) for each direction.

    Everything is as in evaluation: dropout off, batch normalisation by running statistics. Weight decay, which
    belongs to the optimizer, is not included.

    McCandlish, Kaplan, Amodei et al. 2018, An empirical model of large-batch training.

    Args:
        network: A network with weights.
        data: A ``Dataset``, a ``Split`` or (x, y).
        loss: By default that of the task.
        split: Which split of a ``Dataset``.
        examples: Number of examples to draw; by default all.
        probes: Random directions for tr(HΣ).
        seed: Seed of the draw and of the directions.

    Returns:
        The noise and the learning rates it predicts.

    Raises:
        ArgumentError: The network has no weights or some that are not finite, or ``examples`` is below 4 or above N.
        ShapeError: The data have another shape than the network's inputs.
        DataError: The labels do not fit the network's outputs.
        DivergedError: Gradients overflow.
    """
    everything = Examples.of(network, data, loss, split)
    population = len(everything)
    n = _checked(examples, population)
    if not is_integer(probes) or probes < 2:
        raise ArgumentError(
            "probes", expected="an integer of at least 2", got=probes, fix="use 16 for an error of about 10%"
        )
    rng = generator(seed)
    chosen = everything if n == population else everything.subset(np.sort(rng.permutation(population)[:n]))
    found, mean = noise_of_examples(chosen, population)
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
    fits = is_integer(n) and LEAST_EXAMPLES <= n <= population
    if not fits:
        fix = "leave it out to look at all" if population >= LEAST_EXAMPLES else "a spread needs more examples"
        raise ArgumentError(
            "examples", expected=f"an integer from {LEAST_EXAMPLES} to the {population} there are", got=n, fix=fix
        )
    return int(n)


def noise_of_examples(examples: Examples, population: int) -> tuple[NoiseInterval, HostArray]:
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
