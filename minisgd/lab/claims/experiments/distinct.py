"""What a batch shows: how many distinct examples, and how many classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisgd.data.sampling import Shuffled
from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.lab import Lab
from minisgd.lab.study.constant import classes_of
from minisgd.typing import HostArray

BATCHES = 64
"""Batches looked at for each batch size and seed."""


@dataclass(frozen=True)
class Distinct:
    """Means over the batches of every seed.

    batch_sizes (K,); examples (K, S): distinct examples in a batch; classes (K, S), or None where there are none
    """

    batch_sizes: tuple[int, ...]
    examples: HostArray
    classes: HostArray | None


@dataclass(frozen=True)
class CountDistinct(Experiment[Distinct]):
    """Draw batches as training runs draw them, and count. Examples with the same features count once."""

    @property
    def name(self) -> str:
        return "distinct-in-a-batch"

    def seconds(self, lab: Lab) -> float:
        return 0.1 + 1e-7 * len(lab.seeds) * BATCHES * sum(lab.sizes) + 2e-6 * len(lab.data)

    def run(self, lab: Lab) -> Distinct:
        train = lab.data.train
        seen: dict[bytes, int] = {}
        number = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in train.x])  # equal rows, equal number
        kinds = [number] if lab.data.task == "regression" else [number, classes_of(train)]
        counts = np.array([[_count(kinds, b, seed) for seed in lab.seeds] for b in lab.sizes])  # (K, S, 1 or 2)
        return Distinct(lab.sizes, counts[..., 0], counts[..., 1] if len(kinds) == 2 else None)


def _count(kinds: list[HostArray], batch_size: int, seed: int) -> list[float]:
    """Return the mean number of distinct values in a batch, for every kind (N,)."""
    sampler = Shuffled(len(kinds[0]), [seed], last="drop")
    batches = [sampler.next(batch_size)[0].copy() for _ in range(BATCHES)]
    return [float(np.mean([len(np.unique(kind[batch])) for batch in batches])) for kind in kinds]
