"""How cost grows: time and bytes of a step against batch size, width, depth, parameters and replicas.

python -m benchmarks.cpu.growth [--out DIR] [--quick]        writes growth.json and growth.png

Beside every curve stands its slope in logarithms, fitted to the upper half of the range, where fixed costs no longer
hide it: 1 is linear growth. Bytes are those that minisgd allocates for a training run, the data set not counted.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.harness.worker import pin

ROUNDS, SECONDS = 7, 0.05
INPUTS, CLASSES = 784, 10


@dataclass(frozen=True)
class Point:
    """One configuration: an MLP of equal hidden layers, R replicas of it, at a batch size.  x: where it is drawn"""

    x: int
    batch_size: int = 32
    width: int = 128
    depth: int = 2
    replicas: int = 1


@dataclass(frozen=True)
class Axis:
    """What grows, and what growth is expected for large values."""

    name: str
    label: str
    points: tuple[Point, ...]
    expected: str


def axes(n: int, quick: bool) -> list[Axis]:
    """Return what is measured; parameters grow by width in networks wide enough that weights are all that counts."""
    cut = slice(0, None, 3) if quick else slice(None)
    sizes = [b for b in (1, 4, 16, 64, 256, 1024, 4096) if b < n]
    widths, wide = (16, 32, 64, 128, 256, 512, 1024), (256, 362, 512, 724, 1024, 1448)
    depths, stacks = (1, 2, 4, 8, 16, 32, 64), (1, 2, 4, 8, 16, 32, 64)
    if quick:
        widths, wide, depths, stacks = widths[:4], wide[:4], depths[:4], stacks[:4]
    return [
        Axis("B", "batch size B", tuple(Point(b, batch_size=b) for b in (*sizes, n))[cut], "linear in B"),
        Axis("width", "width of two hidden layers", tuple(Point(w, width=w) for w in widths)[cut], "between 1 and 2"),
        Axis("depth", "hidden layers of 128", tuple(Point(d, depth=d) for d in depths)[cut], "linear in depth"),
        Axis(
            "P", "parameters P", tuple(Point(_parameters(w), width=w, batch_size=8) for w in wide)[cut], "linear in P"
        ),
        Axis("R", "replicas R", tuple(Point(r, replicas=r, width=64) for r in stacks)[cut], "linear in R"),
    ]


def _parameters(width: int, depth: int = 2) -> int:
    return (INPUTS + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * CLASSES


def measure(axis: Axis, n: int, rounds: int) -> dict[str, Any]:
    """Return seconds (median and quartiles) and bytes of a step at every point, measured in turns, and the slopes."""
    import numpy as np

    sessions = [_session(point, n) for point in axis.points]
    steps, times = [1] * len(sessions), [[] for _ in sessions]  # type: ignore[var-annotated]
    for turn in range(rounds + 1):
        for k, session in enumerate(sessions):
            session.step()
            start = perf_counter()
            for _ in range(steps[k]):
                session.step()
            each = (perf_counter() - start) / steps[k]
            if turn == 0:
                steps[k] = max(1, round(SECONDS / rounds / each))
            else:
                times[k].append(each)
    low, middle, high = np.percentile(times, [25, 50, 75], axis=1)
    x = [point.x for point in axis.points]
    sizes = [sum(array.nbytes for array in session.arena.storage.values()) for session in sessions]
    return {
        "name": axis.name,
        "label": axis.label,
        "expected": axis.expected,
        "x": x,
        "seconds": middle.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "bytes": sizes,
        "slope_seconds": slope(x, middle.tolist()),
        "slope_bytes": slope(x, sizes),
    }


def slope(x: list[int], y: list[float]) -> float:
    """Return d log y / d log x, fitted to the upper half of the points."""
    import numpy as np

    half = slice(min(len(x) // 2, len(x) - 2), None)
    return float(np.polyfit(np.log(x[half]), np.log(y[half]), 1)[0])


def _session(point: Point, n: int) -> Any:
    """Return a training run with a learning rate so small that it stays where it is."""
    import numpy as np

    import minisgd as ms
    from minisgd.training.prepare import prepare

    rng = np.random.default_rng(0)
    x, y = rng.random((n, INPUTS), np.float32), np.arange(n) % CLASSES
    hidden = [layer for _ in range(point.depth) for layer in (ms.Linear(point.width), ms.ReLU())]
    data = ms.Dataset.from_arrays(x, y, validation=None)
    seeds = range(point.replicas) if point.replicas > 1 else 0
    optimizer = ms.SGD(lr=1e-9, momentum=0.9)
    network = ms.Network(*hidden, ms.Linear(CLASSES))
    return prepare(network, data, optimizer, batch_size=point.batch_size, seeds=seeds).session(last_batch="drop")


def draw(measured: list[dict[str, Any]], path: Path) -> None:
    """Draw time above and bytes below, a column for everything that grows, all in logarithms."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, rows = plt.subplots(2, len(measured), figsize=(3.4 * len(measured), 6), squeeze=False, layout="constrained")
    for column, curve in enumerate(measured):
        time, memory = rows[0][column], rows[1][column]
        milliseconds = [1e3 * s for s in curve["seconds"]]
        time.loglog(curve["x"], milliseconds, "o-", color="tab:blue")
        time.fill_between(curve["x"], [1e3 * s for s in curve["low"]], [1e3 * s for s in curve["high"]], alpha=0.3)
        memory.loglog(curve["x"], [b / 2**20 for b in curve["bytes"]], "s-", color="tab:orange")
        for plot, key in ((time, "slope_seconds"), (memory, "slope_bytes")):
            plot.set_title(f"slope {curve[key]:.2f} in the upper half", fontsize=10)
            plot.grid(alpha=0.3)
            plot.xaxis.set_minor_formatter("")
        memory.set_xlabel(curve["label"])
    rows[0][0].set_ylabel("milliseconds a step")
    rows[1][0].set_ylabel("MiB allocated")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.cpu.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="few and small points: to see that it works")
    args = parser.parse_args(arguments)
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"

    from benchmarks.cpu.frameworks import write
    from benchmarks.harness.machine import describe, provenance
    from minisgd.training.arithmetic import quiet_arithmetic

    document = {"benchmark": "growth", **provenance(), "quick": args.quick, "cores": 1}
    pin(1)
    n, rounds = (256, 2) if args.quick else (8000, ROUNDS)
    measured = []
    with quiet_arithmetic():
        for axis in axes(n, args.quick):
            curve = measure(axis, n, rounds)
            measured.append(curve)
            slopes = f"time {curve['slope_seconds']:.2f}, bytes {curve['slope_bytes']:.2f}"
            print(f"{curve['label']:<28} slope of {slopes}  (expected {curve['expected']})", flush=True)
    write(args.out / "growth.json", document | {"rounds": rounds, "curves": measured})
    draw(measured, args.out / "growth.png")
    print(describe(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
