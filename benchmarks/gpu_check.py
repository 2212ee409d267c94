"""Prove and time the kernels on this machine's GPU: python -m benchmarks.gpu_check [--out FILE]

The tests of kernels as everywhere, through CuPy; compute-sanitizer's memcheck and racecheck over the small
shapes of the same tests; then each kernel at its natural size: occupancy, and what it reaches of the device's
peak when only the least it must move or compute is counted; and the same products by cuBLAS. One JSON file
holds all of it, with device, driver, versions and commit. Without a GPU it says so and exits with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_occupancy import WatchedCompiler
from benchmarks.gpu_workloads import Device, Workload, workloads
from benchmarks.machine import ROOT, provenance
from minisgd.backend.cupy_ops import CupyOps
from minisgd.backend.kernels import KernelLibrary
from minisgd.errors import MissingExtraError
from minisgd.files import write_atomically

WARM_UPS, ROUNDS, LAUNCHES = 3, 15, 20
TESTS_LIMIT, SANITIZER_LIMIT = 150, 120
"""Seconds; all legs together stay under eight minutes."""

KERNEL_TESTS = ["tests/kernels", "-q", "-p", "no:cacheprovider", "-k", "not random"]


def main(arguments: list[str] | None = None) -> int:
    """Run every leg; 0 if all passed, 1 if one failed or there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "gpu_check.json")
    out = parser.parse_args(arguments).out
    try:
        cupy = usable_cupy()
    except MissingExtraError as error:
        print(f"no GPU check: {error}", file=sys.stderr)
        return 1
    result: dict[str, Any] = {**provenance(), "gpu": facts(cupy)}
    result["tests"] = run_tests()
    result["memcheck"], result["racecheck"] = (run_sanitizer(tool) for tool in ("memcheck", "racecheck"))
    result["kernels"] = measure_all(cupy, result["gpu"])
    result["cublas"] = [measure(cupy, workload, result["gpu"]) for workload in cublas(cupy)]
    write_atomically(out, json.dumps(result, indent=1).encode() + b"\n")
    print(summary(result), f"\n{out}")
    return 0 if all(result[leg]["passed"] is not False for leg in ("tests", "memcheck", "racecheck")) else 1


def usable_cupy() -> Any:
    """Return CuPy with a device behind it.

    Errors: MissingExtraError if CuPy is not installed or finds no device.
    """
    cupy = CupyOps().cupy
    try:
        found = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        found, reason = 0, str(error)
    else:
        reason = f"{found} devices"
    if not found:
        raise MissingExtraError(
            "device 'cuda'",
            expected="a GPU with its driver",
            got=reason,
            fix="run this on a machine where nvidia-smi works",
        )
    return cupy


def facts(cupy: Any) -> dict[str, Any]:
    """Return what the device is and what it could reach at most."""
    runtime = cupy.cuda.runtime
    properties, index = runtime.getDeviceProperties(0), runtime.getDevice()
    kilohertz, multiprocessors, memory_kilohertz, bus_bits = (
        runtime.deviceGetAttribute(attribute, index) for attribute in (13, 16, 36, 37)
    )
    lanes = 64 if (properties["major"], properties["minor"]) in ((7, 5), (8, 0)) else 128
    return {
        "name": properties["name"].decode(),
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "cupy": cupy.__version__,
        "multiprocessors": multiprocessors,
        "peak_bytes_per_second": 2e3 * memory_kilohertz * bus_bits / 8,
        "peak_flop_per_second": 2e3 * kilohertz * lanes * multiprocessors,
    }


def measure_all(cupy: Any, gpu: dict[str, Any]) -> list[dict[str, Any]]:
    """Time every workload and look how full its kernels leave the device."""
    compiler = WatchedCompiler(cupy)
    device = Device(cupy, KernelLibrary(compiler, np.float32), CupyOps().address, gpu["multiprocessors"])
    return [{**measure(cupy, workload, gpu), "occupancy": compiler.occupancy()} for workload in workloads(device)]


def measure(cupy: Any, workload: Workload, gpu: dict[str, Any]) -> dict[str, Any]:
    """Time a workload by events around batches of launches; report median, spread and share of the peak."""
    start, end = cupy.cuda.Event(), cupy.cuda.Event()

    def round_seconds() -> float:
        start.record()
        for _ in range(LAUNCHES):
            workload.launch()
        end.record()
        end.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, end)) / 1e3 / LAUNCHES

    return rate(workload, repeat(round_seconds), gpu)


def repeat(round_seconds: Callable[[], float]) -> list[float]:
    """Return the seconds of each round after warming up."""
    for _ in range(WARM_UPS):
        round_seconds()
    return [round_seconds() for _ in range(ROUNDS)]


def rate(workload: Workload, seconds: list[float], gpu: dict[str, Any]) -> dict[str, Any]:
    """Return the achieved rate of a workload and its share of the peak."""
    middle = statistics.median(seconds)
    amount, unit = (workload.flop, "flop") if workload.flop else (workload.bytes, "bytes")
    peak = gpu[f"peak_{unit}_per_second"]
    return {
        "name": workload.name,
        "seconds": middle,
        "fastest": min(seconds),
        "slowest": max(seconds),
        f"{unit}_per_second": amount / middle,
        "share_of_peak": amount / middle / peak if peak else None,
    }


def cublas(cupy: Any) -> list[Workload]:
    """Return the products of `gpu_workloads` by cuBLAS: alone, and with bias and activation after it."""
    found = []
    for R, B, I in ((64, 128, 512), (1, 4096, 4096)):  # noqa: E741
        x, W, y, b = (cupy.ones(shape, np.float32) for shape in ((R, B, I), (R, I, I), (R, B, I), (R, 1, I)))

        def product(x: Any = x, W: Any = W, y: Any = y) -> None:
            cupy.matmul(x, W, out=y)

        def layer(x: Any = x, W: Any = W, y: Any = y, b: Any = b) -> None:
            cupy.matmul(x, W, out=y)
            cupy.add(y, b, out=y)
            cupy.maximum(y, 0, out=y)

        flop, shape = 2 * R * B * I * I, f"{R}x{B}x{I}x{I}"
        found += [
            Workload(f"matmul {shape}", product, flop=flop),
            Workload(f"matmul bias relu {shape}", layer, flop=flop),
        ]
    return found


def run_tests() -> dict[str, Any]:
    """Run the tests of kernels on the GPU."""
    return run([sys.executable, "-m", "pytest", *KERNEL_TESTS], TESTS_LIMIT)


def run_sanitizer(tool: str) -> dict[str, Any]:
    """Run small tests of kernels under compute-sanitizer; passed is None where it is not installed."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        return {"passed": None, "why": "compute-sanitizer is not installed"}
    small = [sys.executable, "tests/cuda/sanitize.py", "--inside", *KERNEL_TESTS]
    return run([program, "--tool", tool, "--error-exitcode", "9", *small], SANITIZER_LIMIT)


def run(command: list[str], limit: float) -> dict[str, Any]:
    """Run a leg in a process of its own; return whether it passed, how long it took and its last lines."""
    began = time.perf_counter()
    environment = {**os.environ, "MINISGD_KERNELS_ON": "cuda"}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit)
        passed, said = done.returncode == 0, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        passed, said = False, f"not done after {limit} seconds"
    return {"passed": passed, "seconds": time.perf_counter() - began, "said": said[-2000:]}


def summary(result: dict[str, Any]) -> str:
    """Return the result as lines for a terminal."""
    lines = [f"{result['gpu']['name']}, driver {result['gpu']['driver']}"]
    for leg in ("tests", "memcheck", "racecheck"):
        outcome = {True: "passed", False: "FAILED", None: "skipped"}[result[leg]["passed"]]
        lines.append(f"{leg:30} {outcome} {result[leg].get('why', '')}")
    for row in (*result["kernels"], *result["cublas"]):
        share = "" if row["share_of_peak"] is None else f"{100 * row['share_of_peak']:6.1f}% of peak"
        lines.append(f"{row['name']:30} {1e6 * row['seconds']:10.1f} µs {share}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
