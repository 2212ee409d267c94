"""The default study on both devices: python -m benchmarks.gpu.study FILE SECONDS [--dry]

One line of JSON for each device: how long the study took and what it recommends. The GPU goes first; a leg that is
stopped keeps what is done.
"""

from __future__ import annotations

import time
from typing import Any

import minisgd as ms
from benchmarks.gpu.dry import Leg, arguments, write_rows


def study(device: str, dry: bool) -> dict[str, Any]:
    """Return the time and the answer of a study on a device."""
    data = ms.datasets.digits(validation=0.2, seed=0)
    network = ms.Network(ms.Flatten(), ms.Linear(64), ms.ReLU(), ms.Linear(10))
    small: dict[str, Any] = {
        "batch_sizes": [64, 256],
        "learning_rates": [0.05, 0.1],
        "seeds": 2,
        "train_for": "steps:8",
    }
    begun = time.perf_counter()
    found = ms.study(network, data, device=device, target_accuracy=0.3 if dry else None, **(small if dry else {}))
    taken = time.perf_counter() - begun
    best = found.recommendation
    return {
        "name": f"study on {device}",
        "seconds": taken,
        "batch_size": best.batch_size,
        "lr": best.lr,
        "why": best.why,
    }


def main(leg: Leg) -> int:
    """Write a row for each device."""
    if leg.dry:
        from minisgd.lab.study import pilot_runs

        pilot_runs.STEPS = 40
    return write_rows(leg, (study(device, leg.dry) for device in ("cuda", "cpu")))


if __name__ == "__main__":
    raise SystemExit(main(arguments()))
