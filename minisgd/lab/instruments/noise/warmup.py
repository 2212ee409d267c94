"""``ms.BatchWarmup``: a batch size that doubles as soon as the training run bears it, measured by branches of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minisgd.errors import ArgumentError
from minisgd.lab.instruments.noise.branch_tracker import CriticalBatchTracker
from minisgd.optim import Progress
from minisgd.optim.checks import count
from minisgd.training.state import TrainingState


class BatchWarmup(CriticalBatchTracker):
    """Double the batch size B whenever the local critical batch size is surely at least 2B.

    One object is the schedule of the batch size, and the callback that measures for it; pass it as both. The learning
    rate follows by ``ScaledByBatch``: lr · 2 at every doubling for SGD, lr · √2 for Adam and its kin.

    >>> warmup = BatchWarmup(16, 512, every=500)
    >>> lr = ScaledByBatch(0.1, reference=16)
    >>> train(network, data, optimizer=SGD(lr), batch_size=warmup, callbacks=[warmup])

    Every measurement is ``local_critical_batch_size`` with the factors 1 and 2: two branches of ``seeds`` replicas, of
    ``examples`` each. So it takes 2 · seeds · examples / B updates (256 by default), and three evaluations of the
    training data by every replica; choose ``every`` accordingly. Merrill et al. 2025 (arXiv 2505.23971) double by a
    curve that another training run has measured.

    ``samples`` holds what was measured. A training run that is resumed goes on to the same bits.

    Args:
        start: The first batch size.
        largest: The batch size beyond which it does not grow.
        every: Updates from one measurement to the next.
        seeds: As for ``local_critical_batch_size``.
        examples: That each branch sees; sixteen batches by default.
        tolerance: As for ``local_critical_batch_size``.

    Raises:
        ArgumentError: An argument is out of range; during training, where it is not among the callbacks.
    """

    def __init__(
        self,
        start: int,
        largest: int,
        *,
        every: int = 1000,
        seeds: int = 8,
        examples: int | None = None,
        tolerance: float = 0.1,
    ) -> None:
        super().__init__(every, factors=(1, 2), seeds=seeds, examples=examples, tolerance=tolerance)
        self.start, self.largest = count("start", start, "use 16"), count("largest", largest, "use 512")
        if self.largest < self.start:
            fix = "swap start and largest"
            raise ArgumentError("largest", expected=f"at least start = {self.start}", got=self.largest, fix=fix)
        if examples is not None and examples < self.largest:
            fix = "leave it out, or give more"
            raise ArgumentError("examples", expected=f"at least largest = {self.largest}", got=examples, fix=fix)
        self._size: int | None = None
        """The present batch size, None where nobody would measure."""

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={getattr(self, name)}" for name in ("every", "seeds", "examples", "tolerance"))
        return f"BatchWarmup({self.start}, {self.largest}, {options})"

    def __call__(self, progress: Progress) -> int:
        if self._size is None:
            fix = "callbacks=[warmup], the same object as batch_size=warmup"
            raise ArgumentError(
                "callbacks", expected="a list with the BatchWarmup that measures", got="one without it", fix=fix
            )
        return self._size

    @property
    def samples(self) -> list[tuple[int, int, int | None, int | None]]:
        """(update, B, the local critical batch size or None, what is surely within or None) of every measurement."""
        return [
            (k, found.batch_sizes[0], found.value, found.low) for k, found in zip(self.steps, self.results, strict=True)
        ]

    def on_start(self, training: TrainingState) -> None:
        super().on_start(training)
        self._size = self.start

    def on_step(self, training: TrainingState) -> None:
        session, size = training.session, self(training.session.progress())
        if session.steps % self.every == 0 and 2 * size <= self.largest and self.measure(training).low == 2 * size:
            self._size = 2 * size

    def on_end(self, training: TrainingState) -> None:
        self._size = None

    def state(self) -> Mapping[str, Any]:
        return {**super().state(), "size": self._size}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self._size = state["size"]
