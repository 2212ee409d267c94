"""The first thing that a GPU must do: python -m benchmarks.gpu.smoke FILE SECONDS [--dry]

An MLP and a CNN train for ten steps of float32, as one graph and without a warning, and end where the CPU does. One
line of JSON for each.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

import minisgd as ms
from benchmarks.gpu.agreement import apart, jittered_digits, models
from benchmarks.gpu.dry import Leg, arguments, write_rows

STEPS, TOLERANCE = 10, 1e-3


def rows(leg: Leg) -> Iterator[dict[str, Any]]:
    """Yield how both devices compare, and what the GPU had to warn of."""
    data = jittered_digits()
    options: dict[str, Any] = {"optimizer": ms.SGD(lr=0.05, momentum=0.9), "batch_size": 32, "steps": STEPS}
    for name, network in models().items():
        about, begun = {"name": f"smoke {name}", "steps": STEPS, "tolerance": TOLERANCE}, time.perf_counter()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                gpu = ms.train(network, data, device="cuda", **options)
            cpu = ms.train(network, data, device="cpu", **options)
        except Exception as problem:
            yield about | {"error": f"{type(problem).__name__}: {problem}"[:1000]}
            continue
        told, difference = [str(warning.message) for warning in caught], apart(cpu, gpu)
        yield about | {
            "seconds": time.perf_counter() - begun,
            "difference": difference,
            "warnings": told,
            "passed": difference <= TOLERANCE and not told,
        }


if __name__ == "__main__":
    leg = arguments()
    raise SystemExit(write_rows(leg, rows(leg)))
