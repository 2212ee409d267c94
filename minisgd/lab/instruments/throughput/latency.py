"""``ms.latency``: how long a prediction takes at each batch size, in the middle and at the slow end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from minisgd.backend.cpu.threads import choose_threads
from minisgd.checks import require_function
from minisgd.data import Dataset
from minisgd.data.holdout import generator
from minisgd.lab.instruments.batch_sizes import choose_batch_sizes
from minisgd.lab.instruments.throughput.speed import Speed, SpeedPoint, require_visits, summarise
from minisgd.lab.statistics import LEVEL, Interval, mean_interval
from minisgd.lab.timing.clock import VISITS, ProgressHook, Task, in_turn
from minisgd.lab.trial import Trial
from minisgd.nn import Network
from minisgd.nn.inference import Inference
from minisgd.training.cost import largest_product
from minisgd.training.intake import as_dataset
from minisgd.typing import Generator, HostArray, Seed

CALLS = 200
"""At most so many calls a visit: p99 needs some hundreds in all."""


@dataclass(frozen=True)
class LatencyPoint(SpeedPoint):
    """Seconds of a prediction of B examples; ``step_seconds`` is the median call.

    Attributes:
        batch_size: B.
        step_seconds: The median call, as p50_seconds.
        interval: 95% interval of the median, in seconds.
        examples_per_second: Over all calls, slow ones included.
        residual: Relative distance from the fitted line.
        p50_seconds: The median call.
        p99_seconds: The 99th percentile of the calls.
        p99_interval: Its 95% interval.
        calls: Number of calls timed.
    """

    p50_seconds: float
    p99_seconds: float
    p99_interval: Interval
    calls: int


def latency(
    network: Network,
    data: Dataset | tuple[Any, Any],
    batch_sizes: Sequence[int] | None = None,
    *,
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = None,
    visits: int = VISITS,
    seed: Seed = 0,
    on_progress: ProgressHook | None = None,
) -> Speed:
    """Time predictions, every call by itself, and fit t(B) = t0 + B/r to their medians.

    A call takes B examples in host memory to B outputs in host memory, by a program recorded beforehand. Batch sizes
    are visited in random order, drawn anew in every round. The network is not changed.

    Args:
        network: The network that predicts.
        data: A data set, or (x, y).
        batch_sizes: By default the powers of two up to 1024 that the data set allows.
        dtype: "float32" or "float64".
        device: "cpu" or "cuda".
        threads: BLAS threads; by default chosen by the size of the work.
        visits: Visits to each batch size.
        seed: Seed of the weights and of the order of visits.
        on_progress: Called with the share of the visits done.

    Returns:
        The line and its points, each a ``LatencyPoint``.

    Raises:
        ArgumentError: Fewer than two batch sizes, one that exceeds the data set, or too few visits.
        ShapeError: Network and data do not fit together.
        DtypeError: An argument is not of its type.
    """
    require_function(on_progress, "on_progress", "the share done")
    dataset = as_dataset(data, None, seed)
    net = Trial(network, dataset, dtype=dtype, device=device).prepare(1, seed).recipe.network
    sizes = choose_batch_sizes(batch_sizes, net, len(dataset))
    require_visits(visits)
    rng = generator(seed)
    calls = time_calls(net, dataset, sizes, threads, rng, visits, on_progress)
    return describe(sizes, [each[:, 0] for each in calls], len(dataset), rng)


def time_calls(
    network: Network,
    data: Dataset,
    sizes: Sequence[int],
    threads: int | None,
    rng: Generator,
    visits: int = VISITS,
    on_progress: ProgressHook | None = None,
) -> list[HostArray]:
    """Return the seconds of every call by the clock and of the processor, for each batch size (V, 2, n)."""
    tasks = [_task(network, data, b, threads) for b in sizes]
    return list(map(np.array, in_turn(tasks, Task.each, rng, visits=visits, most=CALLS, on_progress=on_progress)))


def describe(sizes: Sequence[int], calls: Sequence[HostArray], examples: int, rng: Generator) -> Speed:
    """Return the line through the median calls, and its points.  calls (K) of (V, n) seconds"""
    middle = np.array([np.median(each, axis=1) for each in calls]).T  # (V, K)
    how = f"median and 99th percentile of the calls at {len(middle)} visits to each of {len(sizes)} batch sizes"
    line = summarise(sizes, middle, examples, f"{how}, in a random order anew in every round", rng)
    return replace(line, points=tuple(_point(point, each) for point, each in zip(line.points, calls, strict=True)))


def _task(network: Network, data: Dataset, b: int, threads: int | None) -> Task:
    """Return the prediction of B examples, recorded."""
    inference, x = Inference(network, b), data.train.x[:b]
    inference.predict(x)
    programs = [program for program, _, _ in inference.programs.values()]
    return Task(partial(inference.predict, x), network.ops, choose_threads(largest_product(programs), threads))


def _point(point: SpeedPoint, calls: HostArray) -> LatencyPoint:
    """Add the slow end to a point.  calls (V, n) seconds"""
    return LatencyPoint(
        point.batch_size,
        point.step_seconds,
        point.interval,
        point.batch_size * calls.size / float(calls.sum()),
        point.residual,
        p50_seconds=point.step_seconds,
        p99_seconds=float(np.quantile(calls, 0.99)),
        p99_interval=_slow_interval(calls),
        calls=calls.size,
    )


def _slow_interval(calls: HostArray) -> Interval:
    """Return the interval of the 99th percentile, on a logarithmic scale: the t interval of that of the visits.

    Or that of its jackknife over visits, if wider: most slow calls are those of a busy visit. So few calls that all of
    them may be quicker than the 99th percentile do not bound it above.  calls (V, n)
    """
    v, slow = len(calls), math.log(np.quantile(calls, 0.99))
    without = np.log([np.quantile(np.delete(calls, k, axis=0), 0.99) for k in range(v)])
    half = 0.0
    for each in (np.log(np.quantile(calls, 0.99, axis=1)), (v - 1) * without):
        low, high = mean_interval(each)
        half = max(half, (high - low) / 2)
    bounded = 0.99**calls.size <= (1 - LEVEL) / 2
    return math.exp(slow - half), math.exp(slow + half) if bounded else math.inf
