"""Time every workload on the GPU: python -m benchmarks.gpu.timing FILE SECONDS

One line of JSON for each workload, written when it is done, so that a run that is stopped leaves what it has.
No workload begins after SECONDS; those left out are written as skipped.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.device import facts, occupancy, usable_cupy
from benchmarks.gpu.launches import Launch, Recorder
from benchmarks.gpu.products import cublas
from benchmarks.gpu.workloads import workloads
from minisgd.backend.cuda.compiler import CupyCompiler
from minisgd.backend.cuda.cupy_ops import CupyOps
from minisgd.backend.cuda.launcher import KernelLibrary
from minisgd.backend.cuda.workload import Device, Floor, Workload

ROUNDS, LAUNCHES, SECONDS_EACH = 15, 20, 0.3
"""A figure is the median of rounds of launches, fewer where these would take longer than SECONDS_EACH."""

OUT_OF_TIME = "no time left"


def main(file: Path, seconds: float) -> None:
    """Write the rows of all workloads to a file."""
    end = time.perf_counter() + seconds
    cupy = usable_cupy()
    gpu, recorder = facts(cupy), Recorder(CupyCompiler(cupy))
    device = Device(cupy, KernelLibrary(recorder, np.float32), CupyOps().address, gpu["multiprocessors"])
    all_of_them = chain(cublas(cupy), workloads(device))
    with file.open("w", encoding="utf-8") as lines:
        for row in rows(
            all_of_them,
            recorder,
            gpu,
            end,
            seconds_of=lambda run: repeat(stopwatch(cupy, run)),
            fullness=lambda launch: occupancy(cupy, launch),
        ):
            print(json.dumps(row), file=lines, flush=True)


def rows(
    all_of_them: Iterable[Workload],
    recorder: Recorder,
    gpu: dict[str, Any],
    end: float,
    *,
    seconds_of: Callable[[Callable[[], None]], list[float]],
    fullness: Callable[[Launch], float],
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[dict[str, Any]]:
    """Yield the rate of every workload that begins before `end`, and of each of its kernels."""
    for workload in all_of_them:
        if clock() >= end:
            yield {"name": workload.name, "skipped": OUT_OF_TIME}
            continue
        launches = recorder.record(workload.run)
        run = in_turn(launches) if launches else workload.run  # cuBLAS is nobody's launch
        row = {"name": workload.name, **rate(workload.floor, seconds_of(run), gpu), "kernels": {}}
        for kernel, floor in workload.kernels.items():
            own = [launch for launch in launches if launch.kernel == kernel]
            measured = row if len(own) == len(launches) else rate(floor, seconds_of(in_turn(own)), gpu)
            figures = {figure: measured[figure] for figure in ("seconds", "share_of_peak")}
            row["kernels"][kernel] = {**figures, "occupancy": max(map(fullness, own))}
        yield row


def in_turn(launches: list[Launch]) -> Callable[[], None]:
    """Return what makes the launches again, in their order."""

    def run() -> None:
        for launch in launches:
            launch()

    return run


def stopwatch(cupy: Any, run: Callable[[], None]) -> Callable[[int], float]:
    """Return a function that runs so many times and tells the seconds between the events around them."""
    start, stop = cupy.cuda.Event(), cupy.cuda.Event()

    def elapsed(times: int) -> float:
        start.record()
        for _ in range(times):
            run()
        stop.record()
        stop.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, stop)) / 1e3

    return elapsed


def repeat(elapsed: Callable[[int], float], clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Return the seconds of one run in each round: up to ROUNDS of LAUNCHES, in about SECONDS_EACH, at least one."""
    elapsed(1)  # the first loads the code
    times = max(1, min(LAUNCHES, int(SECONDS_EACH / ROUNDS / max(elapsed(1), 1e-9))))
    end = clock() + SECONDS_EACH
    found = [elapsed(times) / times]
    while len(found) < ROUNDS and clock() < end:
        found.append(elapsed(times) / times)
    return found


def rate(floor: Floor, seconds: list[float], gpu: dict[str, Any]) -> dict[str, Any]:
    """Return the achieved rate of a workload and its share of the peak."""
    middle, least = statistics.median(seconds), floor.seconds(gpu)
    amount, unit = (floor.flop, "flop") if floor.flop else (floor.bytes, "bytes")
    return {
        "seconds": middle,
        "fastest": min(seconds),
        "slowest": max(seconds),
        "rounds": len(seconds),
        f"{unit}_per_second": amount / middle,
        "share_of_peak": None if least is None else least / middle,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
