"""Throughput and step time against the batch size: python -m benchmarks.gpu.growth FILE SECONDS [--dry]

An MLP 784-512-512-10 with momentum on images of bytes, float32, from one example to the largest power of two whose
step fits the memory limit. One line of JSON for each batch size. `draw` makes the picture of the lines.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minisgd as ms
from benchmarks.gpu.dry import Leg, arguments, write_rows
from minisgd.backend import get_ops
from minisgd.training.memory import memory_plan
from minisgd.training.prepare import prepare

LIMIT = 8 << 30
"""Bytes: the batch grows until a step needs more than this, or than the device has free."""

ROUNDS, SECONDS_EACH = 9, 0.6


def batch_sizes(limit: int) -> list[int]:
    """Return the powers of two up to the largest batch that fits."""
    plan = memory_plan(_network(), (28, 28, 1), 1, ms.SGD(lr=0.1, momentum=0.9), memory_limit=limit)
    assert plan.largest_batch is not None
    return [1 << k for k in range(plan.largest_batch.bit_length())]


def rows(leg: Leg) -> Iterator[dict[str, Any]]:
    """Yield time and throughput at every batch size that begins in time."""
    end = time.perf_counter() + leg.seconds
    free = get_ops("cuda").free_memory()
    assert free is not None
    # half of the free memory is left for the data set and for evaluation
    sizes = [1, 4] if leg.dry else batch_sizes(min(LIMIT, free // 2))
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (sizes[-1], 28, 28, 1), np.uint8)
    data = ms.Dataset.from_arrays(
        x, np.arange(len(x)) % 10, validation=None, classes=tuple("0123456789"), scale=1 / 255
    )
    for b in sizes:
        about = {"name": f"batch {b}", "batch_size": b}
        if time.perf_counter() >= end:
            yield about | {"skipped": "no time left"}
            continue
        try:
            yield about | _measure(data, b, 1 if leg.dry else ROUNDS)
        except Exception as problem:
            yield about | {"error": f"{type(problem).__name__}: {problem}"[:300]}


def _measure(data: ms.Dataset, b: int, rounds: int) -> dict[str, Any]:
    optimizer = ms.SGD(lr=1e-6, momentum=0.9)
    session = prepare(_network(), data, optimizer, batch_size=b, device="cuda").session(last_batch="drop")

    def take(updates: int) -> float:
        begun = time.perf_counter()
        session.take(updates)
        session.ops.synchronize()
        return time.perf_counter() - begun

    steps_per_launch = session.recipe.steps_per_launch
    for _ in range(2):  # plain, then captured and launched
        take(1)
        once = take(steps_per_launch) / steps_per_launch
    updates = steps_per_launch * max(1, round(SECONDS_EACH / ROUNDS / max(once, 1e-9) / steps_per_launch))
    taken = [take(updates) / updates for _ in range(rounds)]
    middle = statistics.median(taken)
    return {
        "seconds": middle,
        "fastest": min(taken),
        "slowest": max(taken),
        "examples_per_second": b / middle,
        "bytes": session.plan.bytes(),
        "feed": type(session.recipe.feed).__name__,
    }


def _network() -> ms.Network:
    return ms.Network(ms.Flatten(), ms.Linear(512), ms.ReLU(), ms.Linear(512), ms.ReLU(), ms.Linear(10))


def draw(measured: list[dict[str, Any]], device: str, path: Path) -> None:
    """Draw examples a second and the time of a step against the batch size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    done = [row for row in measured if "seconds" in row]
    b = [row["batch_size"] for row in done]
    figure, (rate, step) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    rate.loglog(b, [row["examples_per_second"] for row in done], "o-", color="tab:blue")
    rate.set_ylabel("examples a second")
    step.loglog(b, [1e6 * row["seconds"] for row in done], "o-", color="tab:orange")
    low, high = ([1e6 * row[key] for row in done] for key in ("fastest", "slowest"))
    step.fill_between(b, low, high, color="tab:orange", alpha=0.3)
    step.set_ylabel("microseconds a step")
    for plot in (rate, step):
        plot.set_xlabel("batch size")
        plot.grid(alpha=0.3)
    figure.suptitle(f"MLP 784-512-512-10, momentum, float32, on {device}")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(leg: Leg) -> int:
    """Write the rows; 0 if no batch size failed."""
    return write_rows(leg, rows(leg))


if __name__ == "__main__":
    raise SystemExit(main(arguments()))
