"""``ms.memory_fit``: whether a training step takes the bytes that its plan says, measured by the allocator.

Shapes: K batch sizes.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minisgd.backend import Plan
from minisgd.data import Dataset
from minisgd.data.holdout import generator
from minisgd.errors import ArgumentError
from minisgd.lab.instruments.batch_sizes import choose_batch_sizes
from minisgd.lab.statistics import RESAMPLES, Interval, intervals
from minisgd.lab.trial import Trial
from minisgd.nn import Loss, Network
from minisgd.optim import SGD, Optimizer
from minisgd.tables import Shown, curves
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.intake import as_dataset
from minisgd.training.memory import format_bytes
from minisgd.training.prepare import Prepared
from minisgd.typing import Generator, HostArray, Seed


@dataclass(frozen=True)
class MemoryPoint:
    """Bytes of a training step: as planned before anything was allocated, and the most that was allocated.

    Attributes:
        batch_size: B.
        planned_bytes: What the memory plan predicts.
        measured_bytes: Peak of the allocations.
    """

    batch_size: int
    planned_bytes: int
    measured_bytes: int


@dataclass(frozen=True)
class MemoryFit(Shown):
    """The line measured = a · planned + M0 over batch sizes.

    Intervals hold 95% of the estimates from resampled batch sizes.

    Attributes:
        slope: a; 1 where the plan accounts for everything that grows with the batch. It covers arrays but not programs,
            of which layers that work in blocks of examples, such as Conv2d, need some kB more for every block.
        slope_interval: Its interval.
        overhead_bytes: M0, what is allocated whatever the batch: programs, the sampler's order, converted data.
        overhead_interval: Its interval.
        r_squared: Share of the variance that the line explains.
        points: The measurements, in ascending order of batch size.
        examples: Size N of the data set.
        how: How the estimate was made, in words.
    """

    slope: float
    slope_interval: Interval
    overhead_bytes: float
    overhead_interval: Interval
    r_squared: float
    points: tuple[MemoryPoint, ...]
    examples: int
    how: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"measured = {self.slope:.4f} · planned + {format_bytes(self.overhead_bytes)}, R² = {self.r_squared:.6f}"

    def picture(self) -> str:
        planned = [(float(point.batch_size), float(point.planned_bytes)) for point in self.points]
        measured = [(float(point.batch_size), float(point.measured_bytes)) for point in self.points]
        return curves({"planned": planned, "measured": measured}, "batch size", "bytes", logarithmic=True)


def memory_fit(
    network: Network,
    data: Dataset | tuple[Any, Any],
    batch_sizes: Sequence[int] | None = None,
    *,
    optimizer: Optimizer | None = None,
    loss: Loss | None = None,
    dtype: str = "float32",
    seed: Seed = 0,
) -> MemoryFit:
    """Take a few training steps at each batch size, and compare the peak of the allocations with the memory plan.

    All allocations of Python and NumPy on the CPU are counted, from before the training run's arrays exist; not the
    workspaces of BLAS, which come from the operating system.

    Args:
        network: The network to train.
        data: A data set, or (x, y).
        batch_sizes: By default the powers of two up to 1024 that the data set allows.
        optimizer: SGD by default.
        loss: By default that of the task.
        dtype: "float32" or "float64".
        seed: Seed of the weights.

    Returns:
        The line and the measurements.

    Raises:
        ArgumentError: Fewer than two batch sizes, or one that exceeds the data set.
        ShapeError: Network, data and loss do not fit together.
        DtypeError: An argument is not of its type.
    """
    dataset = as_dataset(data, None, seed)
    prepare = Trial(network, dataset, SGD(lr=0.1) if optimizer is None else optimizer, loss, dtype).still(seed)
    sizes = choose_batch_sizes(batch_sizes, prepare(1).recipe.network, len(dataset))
    peak_bytes(prepare(sizes[0]))  # what is imported and cached once is nobody's
    points = []
    for b in sizes:
        planned = Plan(prepare(b).recipe.requests()).bytes()
        # what a process allocates once, tables that grow for instance, is in one of two measurements only
        points.append(MemoryPoint(b, planned, min(peak_bytes(prepare(b)) for _ in range(2))))
    return summarise(points, len(dataset), generator(seed))


def peak_bytes(prepared: Prepared) -> int:
    """Return the most bytes that are allocated at once while a training run begins and takes its first steps.

    Raises:
        ArgumentError: The caller is tracing allocations already, which this would end.
    """
    if tracemalloc.is_tracing():
        raise ArgumentError("tracemalloc", expected="stopped", got="tracing", fix="call tracemalloc.stop() first")
    gc.collect()
    tracemalloc.start()
    try:
        session = prepared.session(last_batch="drop")
        with quiet_arithmetic():
            session.advance(lambda: False)
            session.advance(lambda: False)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def summarise(points: Sequence[MemoryPoint], examples: int, rng: Generator) -> MemoryFit:
    """Return the line through the points, by least squares."""
    planned = np.array([p.planned_bytes for p in points], dtype=np.float64)
    measured = np.array([p.measured_bytes for p in points], dtype=np.float64)
    slope, overhead = _line(planned, measured)
    left = measured - (slope * planned + overhead)
    r_squared = 1 - float(np.square(left).sum() / np.square(measured - measured.mean()).sum())
    lines = [
        _line(planned[chosen], measured[chosen])
        for chosen in rng.integers(len(points), size=(RESAMPLES, len(points)))
        if np.ptp(planned[chosen]) > 0
    ]
    slopes, overheads = intervals(np.array(lines))
    how = f"peak of the first steps at each of {len(points)} batch sizes, least squares"
    return MemoryFit(slope, slopes, overhead, overheads, r_squared, tuple(points), examples, how)


def _line(x: HostArray, y: HostArray) -> tuple[float, float]:
    """Return slope and intercept by least squares.  x, y (K,)"""
    deviation = x - x.mean()
    slope = float(deviation @ y / (deviation @ deviation))
    return slope, float(y.mean() - slope * x.mean())
