"""Laboratories on small data, for tests of experiments."""

from __future__ import annotations

from pathlib import Path

import minisgd as ms
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.run.arguments import laboratory
from minisgd.lab.trial import Trial, with_validation
from minisgd.training.memory import default_loss


def small_lab(
    network: ms.Network, data: ms.Dataset, *, seeds: int = 5, dtype: str = "float32", folder: Path | None = None
) -> Lab:
    data = with_validation(data, None, 0)
    base = Trial(network, data, loss=default_loss(data.task), dtype=dtype)
    return laboratory(base, tuple(range(seeds)), 1, folder)
