"""tr(HΣ): the curvature that gradient noise meets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from minisgd.lab.instruments.examples.gradients import gradients_of
from minisgd.lab.instruments.examples.subject import Examples
from minisgd.lab.instruments.noise.linear import is_dense_layer, linear_noise_curvature
from minisgd.lab.instruments.objective import Objective
from minisgd.training.feeds.feed import ExampleSpec, Feed, HostData
from minisgd.typing import Generator, HostArray

DIRECTIONS = 1024
"""Hessian-vector products up to which tr(HΣ) is worked out along every direction that the noise has."""

PRODUCTS = 20_000
"""Examples of which all pairs are formed, for a network that is one dense layer."""

ELEMENTS = 1 << 24
"""Per-example gradients in memory at once, for that."""


@dataclass(frozen=True)
class NoiseCurvature:
    """tr(HΣ), with the standard error of the random directions it was found along; 0 where it is exact."""

    value: float
    error: float


def noise_curvature(
    objective: Objective, examples: Examples, mean: HostArray, probes: int, rng: Generator, *, complete: bool
) -> NoiseCurvature:
    """Return tr(HΣ) = Σ_k u_kᵀ H u_k for any u_k with Σ_k u_k u_kᵀ = Σ (or so on average).

    For one dense layer there is a closed form. Where the noise has at most ``DIRECTIONS`` dimensions, u_k are its
    principal axes, and the trace is exact too. Else they are random mixtures u = Σ_i ε_i (g_i − G)/√(N − 1), ε_i = ±1:
    each costs a gradient and a Hessian-vector product (Hutchinson 1990).

    mean (P,): G   complete: whether these are all examples; of a sample, more directions than probes are not worth it
    """
    n, p = len(examples), objective.parameters
    if complete and n <= PRODUCTS and is_dense_layer(examples.network):
        return NoiseCurvature(linear_noise_curvature(examples), 0.0)
    exact = min(n, p) <= (DIRECTIONS if complete else probes) and n * p <= ELEMENTS
    directions = _axes(examples, mean) if exact else _mixtures(examples, mean, probes, rng)
    w = objective.start
    along = np.array([u @ objective.hessian_vector(w, u) for u in directions])
    if exact:
        return NoiseCurvature(float(along.sum()), 0.0)
    error = float(along.std(ddof=1) / np.sqrt(len(along))) if len(along) > 1 else np.inf
    return NoiseCurvature(float(along.mean()), error)


def _axes(examples: Examples, mean: HostArray) -> HostArray:
    """Return √λ_k q_k of Σ = Σ_k λ_k q_k q_kᵀ, (K, P), those left out that rounding made."""
    centred = (gradients_of(examples, np.arange(len(examples))) - mean) / np.sqrt(len(examples) - 1)
    _, s, axes = np.linalg.svd(centred, full_matrices=False)
    kept = s > s[0] * np.finfo(s.dtype).eps * max(centred.shape)
    scaled: HostArray = s[kept, None] * axes[kept]
    return scaled


def _mixtures(examples: Examples, mean: HostArray, probes: int, rng: Generator) -> HostArray:
    """Return Σ_i ε_i (g_i − G)/√(N − 1) for random signs, (K, P): gradients of a loss with signs for weights."""
    n, part = len(examples), examples.dataset.train
    own = np.ones(n) if part.weight is None else part.weight.astype(np.float64)
    spec = replace(ExampleSpec.of(part, examples.dataset.scale, examples.network.dtype), weighted=True)
    found = np.empty((probes, len(mean)))
    for row in found:
        signs = rng.choice([-1.0, 1.0], n)
        data = HostData(examples.data.x, examples.data.y, signs * own)
        signed = replace(examples, feed=Feed(spec, examples.network.dtype), data=data)
        row[:] = (signed.total() - signs.sum() * mean) / np.sqrt(n - 1)
    return found
