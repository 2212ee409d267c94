"""Data whose answer is known, for trying things out."""

from __future__ import annotations

import numpy as np

from minisgd.data.dataset import Dataset
from minisgd.data.holdout import generator
from minisgd.errors import ArgumentError
from minisgd.typing import Seed


def gaussian_blobs(
    n: int = 1000,
    features: int = 2,
    classes: int = 3,
    separation: float = 4.0,
    *,
    validation: float | None = 0.2,
    seed: Seed = 0,
) -> Dataset:
    """Draw n points from one Gaussian per class: x = centre[y] + ε, ε ~ N(0, I).

    Centres are ~ N(0, s²/(2F) I), so that the mean square distance of two is s² (s the separation, F the features).

    Args:
        n: N, how many points.
        features: F, their dimensions.
        classes: C, how many Gaussians.
        separation: s, the root mean square distance of two centres.
        validation: The fraction in [0, 1) to hold out, or None.
        seed: Seed of everything that is drawn.

    Returns:
        x (N, F) float32, y (N,) labels; classes are equally large, up to one example.

    Raises:
        ArgumentError: For fewer than two classes, fewer examples than classes, or sizes below one.
    """
    _check_sizes(n=n, features=features)
    if not 2 <= classes <= n:
        raise ArgumentError("classes", expected=f"from 2 to n = {n}", got=classes, fix="draw more examples")
    if not (separation >= 0 and np.isfinite(separation)):
        raise ArgumentError("separation", expected="finite and ≥ 0", got=separation, fix="use 4.0")
    rng = generator(seed)
    centres = rng.normal(0, separation / np.sqrt(2 * features), (classes, features))
    y = rng.permutation(np.arange(n) % classes)
    x = centres[y] + rng.normal(size=(n, features))
    return Dataset.from_arrays(
        x.astype(np.float32), y, validation=validation, seed=seed, name=f"gaussian blobs, separation {separation:g}"
    )


def linear_regression(
    n: int = 1000, features: int = 10, noise: float = 0.1, *, validation: float | None = 0.2, seed: Seed = 0
) -> Dataset:
    """Draw a noisy linear function: y = x·w + σ ε, with x, ε ~ N(0, 1) and |w| = 1.

    The least mean squared error that can be expected is σ².

    Args:
        n: N, how many points.
        features: F, their dimensions.
        noise: σ, the standard deviation of the noise.
        validation: The fraction in [0, 1) to hold out, or None.
        seed: Seed of everything that is drawn.

    Returns:
        x (N, F) float32, y (N, 1) float32.

    Raises:
        ArgumentError: For sizes below one or negative noise.
    """
    _check_sizes(n=n, features=features)
    if not (noise >= 0 and np.isfinite(noise)):
        raise ArgumentError("noise", expected="finite and ≥ 0", got=noise, fix="use 0.1")
    rng = generator(seed)
    w = rng.normal(size=(features, 1))
    w /= np.linalg.norm(w)
    x = rng.normal(size=(n, features))
    y = x @ w + noise * rng.normal(size=(n, 1))
    return Dataset.from_arrays(
        x.astype(np.float32), y.astype(np.float32), validation=validation, seed=seed, name=f"linear, noise {noise:g}"
    )


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ArgumentError(name, expected="at least 1", got=size, fix="use a larger number")
