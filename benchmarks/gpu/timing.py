"""Time every workload on the GPU: python -m benchmarks.gpu.timing FILE SECONDS [--dry]

Each workload is made several times over, on arrays of its own with random content, and their launches take turns, so
that a small one does not find its arrays in the cache of the device. A round of launches is one CUDA graph: a small
kernel is not timed by how fast Python launches it. cuBLAS, which CuPy keeps out of graphs, is called instead.

One line of JSON for each workload, written when it is done, so that a run that is stopped leaves what it has.
No workload begins after SECONDS; those left out are written as skipped.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from benchmarks.gpu.device import facts, occupancy, usable_cupy
from benchmarks.gpu.dry import Leg, arguments, write_rows
from benchmarks.gpu.launches import Launch, Recorder
from benchmarks.gpu.products import cublas
from benchmarks.gpu.workloads import miniatures, workloads
from minisgd.backend.cuda.compiler import CupyCompiler
from minisgd.backend.cuda.cupy_ops import CupyOps
from minisgd.backend.cuda.launcher import KernelLibrary
from minisgd.backend.cuda.workload import Device, Floor, Workload

ROUNDS, LAUNCHES, SECONDS_EACH = 15, 20, 0.3
"""A figure is the median of rounds of launches, fewer where these would take longer than SECONDS_EACH."""

TURNS = 4
"""Sets of arrays of a workload: with 13 MB each they are more than the cache of any device holds."""

OUT_OF_TIME = "no time left"


def measured(leg: Leg) -> Iterator[dict[str, Any]]:
    """Yield the rows of all workloads."""
    end = time.perf_counter() + leg.seconds
    cupy = usable_cupy()
    gpu, recorder = facts(cupy), Recorder(CupyCompiler(cupy))
    ops, library = CupyOps(), KernelLibrary(recorder, np.float32)
    device = Device(cupy, library, ops.address, gpu["multiprocessors"], ops.kernels.copies)
    every = miniatures if leg.dry else workloads
    ours = zip(*(every(device) for _ in range(TURNS)), strict=True)
    with cupy.cuda.Stream(non_blocking=True):
        yield from rows(
            chain(((each,) for each in cublas(cupy, leg.dry)), ours),
            recorder,
            gpu,
            end,
            seconds_of=lambda runs: repeat(stopwatch(cupy, runs)),
            fullness=lambda launch: occupancy(cupy, launch),
        )


def rows(
    all_of_them: Iterable[Sequence[Workload]],
    recorder: Recorder,
    gpu: dict[str, Any],
    end: float,
    *,
    seconds_of: Callable[[Sequence[Callable[[], None]]], list[float]],
    fullness: Callable[[Launch], float],
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[dict[str, Any]]:
    """Yield the rate of every workload that begins before `end`, and of each of its kernels.

    all_of_them: each as often as it takes turns with itself
    """
    for workload, *others in all_of_them:
        if clock() >= end:
            yield {"name": workload.name, "skipped": OUT_OF_TIME}
            continue
        every = [recorder.record(one.run) for one in (workload, *others)]
        launches = every[0]
        runs = [in_turn(each) for each in every] if launches else [workload.run]  # cuBLAS is nobody's launch
        row = {"name": workload.name, **rate(workload.floor, seconds_of(runs), gpu), "kernels": {}}
        for kernel, floor in workload.kernels.items():
            own = [[launch for launch in each if launch.kernel == kernel] for each in every]
            alone = len(own[0]) == len(launches)
            found = row if alone else rate(floor, seconds_of([in_turn(each) for each in own]), gpu)
            figures = {figure: found[figure] for figure in ("seconds", "share_of_peak")}
            row["kernels"][kernel] = {**figures, "occupancy": max(map(fullness, own[0]))}
        yield row


def in_turn(launches: list[Launch]) -> Callable[[], None]:
    """Return what makes the launches again, in their order."""

    def run() -> None:
        for launch in launches:
            launch()

    return run


def stopwatch(cupy: Any, runs: Sequence[Callable[[], None]]) -> Callable[[int], float]:
    """Return a function that runs so many times, in turns, and tells the seconds between the events around them."""
    start, stop, stream = cupy.cuda.Event(), cupy.cuda.Event(), cupy.cuda.get_current_stream()
    graphs: dict[int, Any] = {}

    def elapsed(times: int) -> float:
        if times not in graphs:
            graphs[times] = _captured(stream, [runs[k % len(runs)] for k in range(times)])
        start.record()
        graphs[times]()
        stop.record()
        stop.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, stop)) / 1e3

    return elapsed


def _captured(stream: Any, runs: Sequence[Callable[[], None]]) -> Callable[[], None]:
    """Return what makes these runs: the launch of their graph, or they themselves where cuBLAS is among them."""

    def one_by_one() -> None:
        for run in runs:
            run()

    one_by_one()  # loads the code
    stream.synchronize()
    stream.begin_capture()
    try:
        one_by_one()
    except NotImplementedError:
        stream.end_capture()
        return one_by_one
    launch: Callable[[], None] = stream.end_capture().launch
    launch()  # the first launch uploads the graph
    return launch


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
    leg = arguments()
    raise SystemExit(write_rows(leg, measured(leg)))
