"""Batch sizes that follow the gradient: schedules that ask for a measurement every so many updates.

They are functions of progress like all schedules. Their only memory is the batch size itself, which progress
carries, so a training run that is resumed goes on as if it had not stopped.

Each measurement costs about a gradient of the batch (two where it exceeds what is read at a time); divided by
``every``, that is the overhead. Gradients are read as in evaluation: without dropout, batch normalisation by its
running statistics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from math import ceil, inf, isfinite

from minisgd.errors import ArgumentError, DtypeError
from minisgd.optim.batch_size import COUNT_FIX, BatchSizeSchedule, require_growth
from minisgd.optim.checks import count, positive
from minisgd.optim.progress import GradientMeasure, Progress


@dataclass(frozen=True)
class AdaptiveBatch(ABC):
    """A batch size that a measured gradient decides, between ``start`` (at least 2, to have a spread) and ``largest``.

    Args:
        start: The first batch size, at least 2.
        largest: The largest batch size.
        every: Updates from one measurement to the next.
    """

    start: int
    largest: int
    _: KW_ONLY
    every: int = 10

    def __post_init__(self) -> None:
        if count("start", self.start, COUNT_FIX) < 2:
            raise ArgumentError("start", expected="at least 2", got=self.start, fix="one example alone has no spread")
        require_growth(self.start, count("largest", self.largest, COUNT_FIX))
        count("every", self.every, "use 10, for example")

    @abstractmethod
    def wanted(self, measured: GradientMeasure, size: int) -> float:
        """Return the batch size that the measurement asks for, which may be infinite; size is the present one.

        Args:
            measured: What the last measurement found.
            size: The present batch size.

        Returns:
            The batch size wanted.
        """

    def __call__(self, progress: Progress) -> int:
        if progress.step == 0:
            return self.start
        if progress.measured is None:
            return progress.batch_size
        wanted = self.wanted(progress.measured, progress.batch_size)
        return max(self.start, ceil(min(wanted, self.largest)))


@dataclass(frozen=True)
class NormTest(AdaptiveBatch):
    """Grow the batch until its gradient is relatively accurate: s²/B ≤ θ² |g|², else B ← s² / (θ² |g|²).

    The step then is within θ of the full gradient, on average. Never shrinks. |g|² is that of the batch, which
    exceeds |G|² by s²/B on average, so that far too small a batch grows by 1/θ² at a time. Byrd et al. 2012.

    Args:
        start: The first batch size, at least 2.
        largest: The batch size beyond which it does not grow.
        every: Updates from one measurement to the next.
        theta: θ, positive.
    """

    _: KW_ONLY
    theta: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("theta", self.theta, "0.5 is customary")

    def wanted(self, measured: GradientMeasure, size: int) -> float:
        return max(size, _ratio(measured.variance, self.theta**2 * measured.grad_sq_norm))


@dataclass(frozen=True)
class InnerProductTest(AdaptiveBatch):
    """Grow the batch until its gradient points downhill: Var(g_iᵀ g)/(B |g|⁴) ≤ θ², else B as large as that takes.

    It asks less than the norm test, which also bounds what is orthogonal to g. Never shrinks. Bollapragada, Byrd
    and Nocedal 2018.

    Args:
        start: The first batch size, at least 2.
        largest: The batch size beyond which it does not grow.
        every: Updates from one measurement to the next.
        theta: θ, positive.
    """

    _: KW_ONLY
    theta: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("theta", self.theta, "0.9 is customary")

    def wanted(self, measured: GradientMeasure, size: int) -> float:
        bound = self.theta * measured.grad_sq_norm
        return max(size, _ratio(measured.inner_variance, bound * bound))


@dataclass(frozen=True)
class CABS(AdaptiveBatch):
    """Couple the batch size to the learning rate: B = lr · tr Σ / L, with s² for tr Σ.

    The loss L stands for its distance from a minimum of zero; where that is far off, B is too small. Grows and
    shrinks: NeverShrink(CABS(…)) keeps what was reached. Balles, Romero and Hennig 2017.

    Args:
        start: The first batch size, at least 2.
        largest: The largest batch size.
        every: Updates from one measurement to the next.
    """

    def wanted(self, measured: GradientMeasure, size: int) -> float:
        return _ratio(measured.lr * measured.variance, measured.loss)


@dataclass(frozen=True)
class NeverShrink:
    """Follow another schedule of the batch size upwards only.

    Args:
        schedule: The schedule to follow.
    """

    schedule: BatchSizeSchedule

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, BatchSizeSchedule) or isinstance(self.schedule, type):
            raise DtypeError(
                "schedule", expected="a schedule of batch size", got=self.schedule, fix="for example CABS(16, 1024)"
            )

    @property
    def largest(self) -> int:
        """The largest batch size to come."""
        return self.schedule.largest

    @property
    def every(self) -> int | None:
        """Updates between the measurements that the schedule asks for, or None."""
        return measures_every(self.schedule)

    def __call__(self, progress: Progress) -> int:
        size = self.schedule(progress)
        return size if progress.step == 0 else max(size, progress.batch_size)


def measures_every(schedule: BatchSizeSchedule) -> int | None:
    """Return how many updates lie between the measurements a schedule asks for, None if it asks for none.

    Args:
        schedule: A schedule of the batch size.
    """
    every: int | None = getattr(schedule, "every", None) if isinstance(schedule, AdaptiveBatch | NeverShrink) else None
    return every


def _ratio(a: float, b: float) -> float:
    """Return a/b, where a zero b asks for more than there is; nothing is asked for where a run has diverged."""
    if not (isfinite(a) and isfinite(b)):
        return 0.0
    return a / b if b > 0 else inf if a > 0 else 0.0
