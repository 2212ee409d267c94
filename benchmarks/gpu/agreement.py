"""CPU and GPU train alike: python -m benchmarks.gpu.agreement FILE SECONDS [--dry]

Fifty steps of every optimizer in float64, on an MLP and on a CNN with batch norm and dropout, on both devices.
One line of JSON for each: how far the weights are apart at most, relative to the largest of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import minisgd as ms
from benchmarks.gpu.dry import Leg, arguments
from minisgd.data.digits import digits

STEPS, TOLERANCE = 50, 1e-9

OPTIMIZERS: dict[str, Any] = {
    "sgd": ms.SGD(lr=0.05),
    "momentum": ms.SGD(lr=0.05, momentum=0.9),
    "nesterov": ms.SGD(lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adagrad": ms.Adagrad(lr=0.01),
    "rmsprop": ms.RMSProp(lr=0.001),
    "adam": ms.Adam(lr=0.001),
    "adamw": ms.AdamW(lr=0.001),
    "lars": ms.LARS(lr=0.1),
    "lamb": ms.LAMB(lr=0.001),
}


def models() -> dict[str, ms.Network]:
    """Return the networks; a layer before batch norm has no bias, whose gradient would be rounding alone."""
    return {
        "mlp": ms.Network(ms.Flatten(), ms.Linear(64), ms.ReLU(), ms.Linear(32), ms.Tanh(), ms.Linear(10)),
        "cnn": ms.Network(
            ms.Conv2d(8, 3, padding=1, bias=False),
            ms.BatchNorm(),
            ms.ReLU(),
            ms.MaxPool2d(2),
            ms.Flatten(),
            ms.Dropout(0.2),
            ms.Linear(10),
        ),
    }


def rows(leg: Leg) -> Iterator[dict[str, Any]]:
    """Yield the agreement of every pair of network and optimizer that begins in time."""
    end, steps = time.perf_counter() + leg.seconds, 10 if leg.dry else STEPS
    data = digits(validation=None, images=True)
    for model, network in models().items():
        for name, optimizer in OPTIMIZERS.items():
            about = {"name": f"{model} {name}", "steps": steps, "tolerance": TOLERANCE}
            if time.perf_counter() >= end:
                yield about | {"skipped": "no time left"}
                continue
            options: dict[str, Any] = {"optimizer": optimizer, "batch_size": 32, "steps": steps, "dtype": "float64"}
            try:
                cpu, gpu = (
                    ms.train(network, data, device=device, **options).network.to_numpy() for device in ("cpu", "cuda")
                )
            except Exception as problem:
                yield about | {"passed": False, "error": f"{type(problem).__name__}: {problem}"[:300]}
                continue
            apart = max(float(np.abs(gpu[k] - cpu[k]).max() / np.abs(cpu[k]).max().clip(1e-3)) for k in cpu)
            yield about | {"difference": apart, "passed": bool(apart <= TOLERANCE)}


def main(leg: Leg) -> int:
    """Write the rows; 0 if all agree."""
    good = True
    with leg.file.open("w", encoding="utf-8") as lines:
        for row in rows(leg):
            print(json.dumps(row), file=lines, flush=True)
            good = good and row.get("passed", True)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main(arguments()))
