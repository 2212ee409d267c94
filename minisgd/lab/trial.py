"""What training runs that are compared with each other share, and on which device they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from minisgd.backend import Plan
from minisgd.data import Dataset
from minisgd.nn import Loss, Network
from minisgd.optim import SGD, Optimizer
from minisgd.training.explain.explain import explain
from minisgd.training.intake import as_dataset
from minisgd.training.prepare import Prepared, prepare
from minisgd.training.replica_threads import ReplicaThreads
from minisgd.typing import Seed

STILL = 1e-12
"""A learning rate that leaves the weights where they are, so that no training run diverges while it is timed."""


@dataclass(frozen=True)
class Trial:
    """All of a training run but batch size, learning rate and seed, which are what a study compares.

    threads: among which the replicas of a stack are divided
    """

    network: Network
    data: Dataset
    optimizer: Optimizer = field(default_factory=lambda: SGD(lr=0.1))
    loss: Loss | None = None
    dtype: str = "float32"
    device: str = "cpu"
    threads: int = 1

    def prepare(self, batch_size: int, seeds: Sequence[int] | Seed) -> Prepared:
        """Return a training run of one network, or of a stack of replicas where seeds are several."""
        return prepare(
            self.network,
            self.data,
            self.optimizer,
            loss=self.loss,
            batch_size=batch_size,
            dtype=self.dtype,
            device=self.device,
            seeds=seeds,
        )

    def replica_threads(self, batch_size: int, seeds: Sequence[int], rates: Sequence[float]) -> ReplicaThreads:
        """Return a stack of replicas, each with its seed and learning rate, divided among the threads."""
        threads = self.threads if self.device == "cpu" else 1
        return ReplicaThreads(partial(self.prepare, batch_size), seeds, rates, threads=threads, last_batch="drop")

    def bytes(self, batch_size: int) -> int:
        """Return the bytes of a training step of one network, as planned."""
        return Plan(self.prepare(batch_size, 0).recipe.requests()).bytes()

    def flops(self, batch_size: int) -> float:
        """Return the FLOPs of an update, of gradient and optimizer together; a multiply-add is two."""
        found = explain(
            self.network,
            batch_size,
            input_shape=self.data.input_shape,
            optimizer=self.optimizer,
            loss=self.loss,
            dtype=self.dtype,
        )
        return float(found.total.flops)

    def with_lr(self, lr: float) -> Trial:
        """Return the same with another learning rate."""
        if not isinstance(self.optimizer, Optimizer):
            return self  # refused with the rest when it is prepared
        return replace(self, optimizer=replace(self.optimizer, lr=lr))

    def still(self, seed: Seed) -> Callable[[int], Prepared]:
        """Return a function that prepares a run at a batch size, to be timed: its weights stay as they are."""
        return partial(self.with_lr(STILL).prepare, seeds=seed)


def with_validation(data: Dataset | tuple[Any, Any], share: float | None, seed: int) -> Dataset:
    """Return data with a validation split: its own or a share of it, by default a fifth."""
    dataset = as_dataset(data, share, seed)
    return as_dataset(dataset, 0.2, seed) if dataset.validation is None else dataset
