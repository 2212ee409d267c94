"""``ms.powers_of_two``: whether a batch of 2^k is faster than its neighbours 2^k − 1 and 2^k + 1.

Shapes: V visits, K powers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minisgd.checks import as_items, is_integer, require_function
from minisgd.data import Dataset
from minisgd.data.holdout import generator
from minisgd.errors import ArgumentError
from minisgd.lab.statistics import Interval, mean_interval
from minisgd.lab.timing.clock import ProgressHook, StepTimes, measure_steps
from minisgd.lab.trial import Trial
from minisgd.nn import Loss, Network
from minisgd.optim import SGD, Optimizer
from minisgd.tables import Shown, bars
from minisgd.training.intake import as_dataset
from minisgd.training.prepare import Prepared
from minisgd.typing import Generator, HostArray, Seed

POWERS = (8, 16, 32, 64, 128, 256)

BUILDS, VISITS = 5, 5
"""Training runs are built anew so many times, for where their arrays fall in memory makes a difference too, and each is
visited so many times."""

SECONDS = 0.005


@dataclass(frozen=True)
class PowerOfTwo:
    """Seconds of a step at B = 2^k, relative to the mean of those at B − 1 and B + 1; below 1 it is faster.

    Attributes:
        batch_size: B.
        ratio: t(B) / mean of t(B − 1) and t(B + 1).
        interval: 95% interval of the ratio.
    """

    batch_size: int
    ratio: float
    interval: Interval


@dataclass(frozen=True)
class PowersOfTwo(Shown):
    """The ratios of several powers of two, and their geometric mean.

    Intervals are t intervals over builds: where its arrays fall in memory is what a build decides by chance.

    Attributes:
        ratio: Geometric mean of the ratios.
        interval: Its interval.
        powers: The ratio at every power of two.
        builds: The log-ratio of every power of two in every build.
        examples: Size N of the data set.
        how: How the estimate was made, in words.
    """

    ratio: float
    interval: Interval
    powers: tuple[PowerOfTwo, ...]
    builds: tuple[tuple[float, ...], ...]
    examples: int
    how: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        low, high = self.interval
        return f"a power of two takes {self.ratio:.3f} ({low:.3f} to {high:.3f}) of the time of its neighbours"

    def picture(self) -> str:
        return bars({f"B = {each.batch_size}": each.ratio for each in self.powers}, "{:.3f}".format)


def powers_of_two(
    network: Network,
    data: Dataset | tuple[Any, Any],
    powers: Sequence[int] | None = None,
    *,
    optimizer: Optimizer | None = None,
    loss: Loss | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = None,
    seed: Seed = 0,
    on_progress: ProgressHook | None = None,
) -> PowersOfTwo:
    """Time training steps at powers of two and at the batch sizes next to them, in random order and in pairs.

    Where t(B) is a line, t(2^k) is the mean of t(2^k − 1) and t(2^k + 1); what differs is due to the power of two. The
    three are visited in the same round, so that a busy moment affects them alike.

    Args:
        network: The network to train.
        data: A data set, or (x, y).
        powers: Powers of two from 4; by default those from 8 to 256 that the data set allows.
        optimizer: SGD by default; its learning rate is set so small that the weights do not move.
        loss: By default that of the task.
        dtype: "float32" or "float64".
        device: "cpu" or "cuda".
        threads: BLAS threads; by default chosen by the size of the work.
        seed: Seed of the weights and of the order of visits.
        on_progress: Called with the share of the work done.

    Returns:
        The ratios and their geometric mean, with intervals.

    Raises:
        ArgumentError: A number is not a power of two from 4, or exceeds what the data set allows.
    """
    require_function(on_progress, "on_progress", "the share done")
    dataset = as_dataset(data, None, seed)
    chosen = _checked(powers, len(dataset))
    prepare = Trial(network, dataset, SGD(lr=0.1) if optimizer is None else optimizer, loss, dtype, device).still(seed)
    builds = time_builds(prepare, chosen, threads, generator(seed), on_progress)
    return compare(chosen, builds.wall, len(dataset))


def time_builds(
    prepare: Callable[[int], Prepared],
    powers: Sequence[int],
    threads: int | None,
    rng: Generator,
    on_progress: ProgressHook | None = None,
) -> StepTimes:
    """Time 2^k − 1, 2^k, 2^k + 1 and so on, of training runs that are built anew several times, (builds, V, 3K)."""
    sizes = [size for power in powers for size in (power - 1, power, power + 1)]
    builds = []
    for build in range(BUILDS):
        builds.append(measure_steps(prepare, sizes, threads, rng, visits=VISITS, seconds=SECONDS))
        if on_progress:
            on_progress((build + 1) / BUILDS)
    return StepTimes(np.array([build.wall for build in builds]), np.array([build.cpu for build in builds]))


def compare(powers: Sequence[int], builds: HostArray, examples: int) -> PowersOfTwo:
    """Return the ratios and their intervals.  builds (builds, V, 3K) seconds at 2^k − 1, 2^k, 2^k + 1 and so on"""
    n, v, k = builds.shape
    how = f"median over {n} builds of {v} visits to each of {k} batch sizes, in random order"
    below, at, above = np.moveaxis(builds.reshape(n, v, len(powers), 3), -1, 0)
    logs = np.median(np.log(at / ((below + above) / 2)), axis=1)  # (builds, K): busy visits do not count
    pairs = tuple(PowerOfTwo(b, float(np.exp(row.mean())), _ratios(row)) for b, row in zip(powers, logs.T, strict=True))
    overall = logs.mean(axis=1)
    return PowersOfTwo(
        float(np.exp(overall.mean())), _ratios(overall), pairs, tuple(map(tuple, logs.tolist())), examples, how
    )


def _ratios(logs: HostArray) -> Interval:
    low, high = mean_interval(logs)
    return float(np.exp(low)), float(np.exp(high))


def _checked(given: Sequence[int] | None, n: int) -> list[int]:
    powers = (
        [power for power in POWERS if power < n]
        if given is None
        else as_items(given, "powers", "powers of two", "write [8, 16]")
    )
    for power in powers:
        whole = is_integer(power)
        if not whole or power < 4 or power & (power - 1) or power >= n:
            fix = "use 8, 16 and 32, for example"
            raise ArgumentError("powers", expected=f"powers of two from 4 to below N = {n}", got=power, fix=fix)
    if not powers:
        raise ArgumentError(
            "powers", expected="at least one power of two below N", got=f"none, with N = {n}", fix="use more examples"
        )
    return sorted(set(powers))
