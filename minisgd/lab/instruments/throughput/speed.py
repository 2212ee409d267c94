"""``ms.speed``: how long a training step takes at each batch size, and the line t(B) = t0 + B/r through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minisgd.checks import is_integer, require_function
from minisgd.data import Dataset
from minisgd.data.holdout import generator
from minisgd.errors import ArgumentError
from minisgd.lab.instruments.batch_sizes import choose_batch_sizes
from minisgd.lab.statistics import RESAMPLES, Interval, intervals, log_interval, noise_draws
from minisgd.lab.timing.clock import VISITS, ProgressHook, measure_steps
from minisgd.lab.timing.fit import fit_affine, fit_step_time
from minisgd.lab.trial import Trial
from minisgd.nn import Loss, Network
from minisgd.optim import SGD, Optimizer
from minisgd.tables import Shown, curves
from minisgd.training.intake import as_dataset
from minisgd.typing import Generator, HostArray, Seed


@dataclass(frozen=True)
class SpeedPoint(Shown):
    """Seconds of a training step on B examples.

    Attributes:
        batch_size: B.
        step_seconds: The median visit.
        interval: Its 95% interval, in seconds.
        examples_per_second: B / step_seconds.
        residual: Relative distance from the fitted line, step_seconds / t(B) − 1.
    """

    batch_size: int
    step_seconds: float
    interval: Interval
    examples_per_second: float
    residual: float


@dataclass(frozen=True)
class Speed(Shown):
    """The line t(B) = t0 + B/r through the times of a step, and its knee, the batch size t0·r.

    Below the knee a larger batch is nearly free, above it a step takes longer in proportion to the batch. Intervals
    hold 95% of the lines drawn from the t of the visits and of the points' distances from the line.

    Attributes:
        t0_seconds: Overhead of a step, t0.
        t0_interval: Its interval.
        examples_per_second: Throughput without overhead, r.
        examples_per_second_interval: Its interval.
        knee: t0·r, in examples.
        knee_interval: Its interval.
        residual: Root mean square of the points' residuals.
        points: The measurements, in ascending order of batch size.
        examples: Size N of the data set.
        how: How the estimate was made, in words.
    """

    t0_seconds: float
    t0_interval: Interval
    examples_per_second: float
    examples_per_second_interval: Interval
    knee: float
    knee_interval: Interval
    residual: float
    points: tuple[SpeedPoint, ...]
    examples: int
    how: str

    def seconds(self, batch_size: float) -> float:
        """Predict the seconds of a step.

        Args:
            batch_size: B.
        """
        return self.t0_seconds + batch_size / self.examples_per_second

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        low, high = self.knee_interval
        return (
            f"t(B) = {1e6 * self.t0_seconds:.3g} µs + B / ({self.examples_per_second:,.0f} examples/s), knee at "
            f"{self.knee:.3g} ({low:.3g} to {high:.3g}), points within {100 * self.residual:.1f}% of the line"
        )

    def picture(self) -> str:
        measured = [(float(point.batch_size), point.step_seconds) for point in self.points]
        line = [(b, self.seconds(b)) for b, _ in measured]
        return curves({"measured": measured, "t0 + B/r": line}, "batch size", "seconds", logarithmic=True)


def speed(
    network: Network,
    data: Dataset | tuple[Any, Any],
    batch_sizes: Sequence[int] | None = None,
    *,
    optimizer: Optimizer | None = None,
    loss: Loss | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = None,
    visits: int = VISITS,
    seed: Seed = 0,
    on_progress: ProgressHook | None = None,
) -> Speed:
    """Time training steps and fit t(B) = t0 + B/r by least squares on relative errors.

    The recorded program that training replays is timed: gathering, gradient, update. Batch sizes are visited in random
    order, drawn anew in every round, and the median visit counts. The network is not changed.

    Args:
        network: The network to train.
        data: A data set, or (x, y).
        batch_sizes: By default the powers of two up to 1024 that the data set allows.
        optimizer: SGD by default; its learning rate is set so small that the weights do not move.
        loss: By default that of the task.
        dtype: "float32" or "float64".
        device: "cpu" or "cuda".
        threads: BLAS threads; by default chosen by the size of the work.
        visits: Visits to each batch size.
        seed: Seed of the weights and of the order of visits.
        on_progress: Called with the share of the visits done.

    Returns:
        The line, its knee and the measurements, with intervals.

    Raises:
        ArgumentError: Fewer than two batch sizes, one that exceeds the data set, or too few visits.
        ShapeError: Network, data and loss do not fit together.
        DtypeError: An argument is not of its type.
    """
    require_function(on_progress, "on_progress", "the share done")
    dataset = as_dataset(data, None, seed)
    prepare = Trial(network, dataset, SGD(lr=0.1) if optimizer is None else optimizer, loss, dtype, device).still(seed)
    sizes = choose_batch_sizes(batch_sizes, prepare(1).recipe.network, len(dataset))
    require_visits(visits)
    rng = generator(seed)
    taken = measure_steps(prepare, sizes, threads, rng, visits=visits, on_progress=on_progress).wall
    how = f"median of {visits} visits to each of {len(sizes)} batch sizes, in a random order anew in every round"
    return summarise(sizes, taken, len(dataset), how, rng)


# ------------------------------------------------ estimated


def summarise(sizes: Sequence[int], taken: HostArray, examples: int, how: str, rng: Generator) -> Speed:
    """Return the line through the median times, and intervals.  taken (V, K) seconds"""
    t = np.median(taken, axis=0)
    line = fit_step_time(sizes, t)
    assert line is not None  # there are two sizes at least
    t0, rate, knee = intervals(_drawn_lines(np.asarray(sizes), taken, t / line.seconds(np.asarray(sizes)) - 1, rng))
    points = [
        SpeedPoint(b, s, log_interval(visits), b / s, s / float(line.seconds(b)) - 1)
        for b, s, visits in zip(sizes, t.tolist(), taken.T, strict=True)
    ]
    return Speed(line.t0, t0, line.r, rate, line.knee, knee, line.residual, tuple(points), examples, how)


def _drawn_lines(sizes: HostArray, taken: HostArray, residuals: HostArray, rng: Generator) -> HostArray:
    """Draw lines with the errors of the visits and of the line itself, to (n, 3) of t0, r and knee.

    The errors of the visits are those of their t, a round as a whole, for a busy moment slows all its visits. The line
    is a model, which holds more or less: its errors have the t of its K residuals, K − 2 of which are free.
    taken (V, K)   residuals (K,), relative
    """
    k, n = len(sizes), RESAMPLES
    errors = noise_draws(taken, rng, n)
    if k > 2:
        misfit = np.sqrt(np.square(residuals).sum() / rng.chisquare(k - 2, (n, 1)))
        errors = errors + misfit * rng.normal(size=(n, k))
    t0, per_example, _ = fit_affine(sizes, np.median(taken, axis=0) * np.exp(np.clip(errors, -20, 20)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([t0, 1 / per_example, np.where(t0 > 0, t0 / per_example, 0.0)], axis=1)


def require_visits(visits: int) -> None:
    """Refuse a number of visits that leaves nothing to take the median of."""
    if not is_integer(visits) or visits < 3:
        raise ArgumentError("visits", expected="an integer of at least 3", got=visits, fix=f"use {VISITS}, for example")
