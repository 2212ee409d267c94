"""CPU and GPU train alike: python -m benchmarks.gpu.agreement FILE SECONDS [--dry]

Fifty steps of every optimizer in float64, on an MLP and on a CNN with batch norm and dropout, on both devices.
One line of JSON for each: how far the weights are apart at most, relative to the largest of them, and if that is too
far, after which step it first was. The data are jittered: digits have ties, at which ReLU and max-pooling may go
either way for a difference in the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import minisgd as ms
from benchmarks.gpu.dry import Leg, arguments, write_rows
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
    "signsgd": ms.SignSGD(lr=0.0003),
    "lion": ms.Lion(lr=0.0003),
    "muon": ms.Muon(lr=0.001),
    "schedule-free sgd": ms.ScheduleFreeSGD(lr=0.1),
    "schedule-free adamw": ms.ScheduleFreeAdamW(lr=0.001),
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


def jittered_digits() -> ms.Dataset:
    """Return the digits as images of floats, no two pixels alike."""
    part = digits(validation=None, images=True).train
    x = part.x / 16 + 0.01 * np.random.default_rng(0).standard_normal(part.x.shape)
    return ms.Dataset.from_arrays(x, part.y, validation=None, classes=tuple("0123456789"))


def apart(cpu: ms.Run, gpu: ms.Run) -> float:
    """Return the largest difference of a weight, relative to the largest of its array."""
    here, there = cpu.network.to_numpy(), gpu.network.to_numpy()
    return max(float(np.abs(there[k] - here[k]).max() / np.abs(here[k]).max().clip(1e-3)) for k in here)


def first_step_apart(train: Callable[[int], float], steps: int) -> int:
    """Return the first step after which the devices are too far apart, by halving; once apart, they stay so."""
    low, high = 0, steps
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if not train(middle) <= TOLERANCE else (middle, high)
    return high


def rows(leg: Leg) -> Iterator[dict[str, Any]]:
    """Yield the agreement of every pair of network and optimizer that begins in time."""
    end, steps = time.perf_counter() + leg.seconds, 10 if leg.dry else STEPS
    data = jittered_digits()
    for model, network in models().items():
        for name, optimizer in OPTIMIZERS.items():
            about = {"name": f"{model} {name}", "steps": steps, "tolerance": TOLERANCE}
            if time.perf_counter() >= end:
                yield about | {"skipped": "no time left"}
                continue

            def train(steps: int, network: ms.Network = network, optimizer: Any = optimizer) -> float:
                options: dict[str, Any] = {"optimizer": optimizer, "batch_size": 32, "dtype": "float64"}
                return apart(*(ms.train(network, data, device=d, steps=steps, **options) for d in ("cpu", "cuda")))

            try:
                difference = train(steps)
                about |= {"difference": difference, "passed": difference <= TOLERANCE}
                if not about["passed"]:
                    about["first_step"] = first_step_apart(train, steps)
            except Exception as problem:
                about |= {"passed": False, "error": f"{type(problem).__name__}: {problem}"[:1000]}
            yield about


def main(leg: Leg) -> int:
    """Write the rows; 0 if all agree."""
    return write_rows(leg, rows(leg))


if __name__ == "__main__":
    raise SystemExit(main(arguments()))
