"""What a rival is: something that trains a workload, and can show the loss of every step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from benchmarks.harness.workloads import WORKLOADS, N, Workload, data, weights


@dataclass(frozen=True)
class Task:
    """What is to be done: a workload at a batch size, on n examples of a source, on so many cores."""

    workload: str
    batch_size: int
    cores: int = 1
    source: str = "digits"
    n: int = N

    @property
    def spec(self) -> Workload:
        return WORKLOADS[self.workload]


class Rival(ABC):
    """A training run in progress.

    The same object first shows its losses over given batches and then is timed, so what is timed is what was checked.
    """

    def __init__(self, task: Task) -> None:
        self.task, self.workload, self.B = task, task.spec, task.batch_size
        x, y = data(self.workload, task.source, task.n)
        self.n = len(x)
        self.build(x, y, weights(self.workload))

    @abstractmethod
    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        """Set everything up: data x (N, …) and y (N,), initial weights by name."""

    @abstractmethod
    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        """Take steps over the examples orders (R, n) names, batch after batch, again from its start when it ends.

        Return each batch's mean loss before the update, (steps, R).
        """

    def tune(self) -> None:  # noqa: B027 - most have nothing to choose
        """Choose what only measuring can tell, before the timing: how many of the cores to use."""

    @abstractmethod
    def run(self, steps: int) -> int:
        """Take about so many steps over reshuffled data, short batch included; return the examples seen."""


def faster(choices: list[int], adopt: Callable[[int], object], run: Callable[[], int]) -> None:
    """Adopt that one of several numbers of threads with which most examples a second are done."""
    rates = []
    for choice in choices:
        adopt(choice)
        run()
        start = perf_counter()
        examples = run()
        rates.append(examples / (perf_counter() - start))
    adopt(choices[rates.index(max(rates))])


def cuts(n: int, batch_size: int) -> list[tuple[int, int]]:
    """Return where the batches of an epoch begin and end."""
    return [(start, min(start + batch_size, n)) for start in range(0, n, batch_size)]


def cross_entropy(logits: np.ndarray, y: np.ndarray) -> float:
    """Return the mean cross-entropy of logits (B, C), for rivals that only predict."""
    z = logits.astype(np.float64)
    z -= z.max(1, keepdims=True)
    return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]))
