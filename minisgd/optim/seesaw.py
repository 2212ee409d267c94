"""Seesaw: where a schedule would lower the learning rate, raise the batch size instead, and lower it half as far."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from minisgd.optim.batch_size import BatchSizeSchedule, require_growth
from minisgd.optim.checks import count
from minisgd.optim.learning_rate import LearningRateSchedule, as_schedule
from minisgd.optim.progress import Progress
from minisgd.optim.scaling import ScaledByBatch

BEGIN = Progress(step=0, epoch=0.0, fraction=0.0, batch_size=1)


@dataclass(frozen=True)
class InverseToRate:
    """Grow the batch size as a schedule of the learning rate decays: min(largest, ⌊start · lr(0) / lr(t)⌋).

    Args:
        decay: The schedule; where it rises, as in a warmup, the batch size stays at ``start``.
        start: The first batch size.
        largest: The batch size beyond which it does not grow.
    """

    decay: LearningRateSchedule
    start: int
    largest: int

    def __post_init__(self) -> None:
        as_schedule(self.decay, "decay")
        count("start", self.start, "use an integer such as 32")
        require_growth(self.start, count("largest", self.largest, "use an integer such as 512"))

    def __call__(self, progress: Progress) -> int:
        share = self.decay(progress) / self.decay(BEGIN)
        if share * self.largest <= self.start:  # the quotient may overflow
            return self.largest
        return max(self.start, floor(self.start / share * (1 + 1e-12)))


def seesaw(
    decay: LearningRateSchedule, *, batch_size: int, largest: int
) -> tuple[LearningRateSchedule, BatchSizeSchedule]:
    """Turn the decay of a learning rate half into growth of the batch: where lr would be halved, lr / √2 and 2B.

    B(t) = min(largest, B · lr(0) / lr(t)),   lr'(t) = lr(t) · √(B(t) / B)

    For Adam and other updates that are divided by the size of the gradient: while gradients are mostly noise, that size
    falls with √B, and the loss per example is that of the decay, in fewer updates. At most 1 − 2/π of them are saved
    under lr · cos(π/2 · t). Plain SGD needs no lower rate at all where the batch grows: ``GrowBatch``. Once the batch
    is at its largest, the learning rate decays as it would have. arXiv 2510.14717.

    >>> lr, batch_size = seesaw(StepDecay(0.1, factor=0.5, every=5), batch_size=32, largest=512)
    >>> train(network, data, optimizer=Adam(lr), batch_size=batch_size, epochs=30)

    Args:
        decay: The schedule of the learning rate, as tuned at ``batch_size``; its first value must be the highest.
        batch_size: B, the first batch size.
        largest: The batch size beyond which it does not grow.

    Returns:
        The learning rate and the batch size, as schedules.

    Raises:
        ArgumentError: For batch sizes out of range.
        DtypeError: If ``decay`` is not a schedule.
    """
    sizes = InverseToRate(as_schedule(decay, "decay"), batch_size, largest)
    return ScaledByBatch(decay, reference=batch_size, rule="sqrt"), sizes
