"""Prove and time the kernels on this machine's GPU: python -m benchmarks.gpu_check [--out FILE]

The tests of kernels as everywhere, through CuPy; compute-sanitizer's memcheck and racecheck over the small
shapes of the same tests; then each kernel at its natural size: occupancy, and what it reaches of the device's
peak when only the least it must move or compute is counted; and the same products by cuBLAS. One JSON file
holds all of it, with device, driver, versions and commit. Without a GPU it says so and exits with 1.

Every leg is a process of its own that is ended at its limit, and the limits add up to less than eight minutes.
What was stopped or skipped for lack of time is listed in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu_device import facts, usable_cupy
from benchmarks.machine import ROOT, provenance
from minisgd.errors import MissingExtraError
from minisgd.files import write_atomically

LIMITS = {"tests": 150, "memcheck": 100, "racecheck": 100, "timing": 100}
"""Seconds of each leg."""
LAST_WORKLOAD = 15
"""Seconds before the limit of the timing at which no workload begins any more."""

KERNEL_TESTS = ["tests/kernels", "-q", "-p", "no:cacheprovider", "-k", "not random"]


def main(arguments: list[str] | None = None) -> int:
    """Run every leg; 0 if all passed, 1 if one failed or was stopped, or there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "gpu_check.json")
    out = parser.parse_args(arguments).out
    try:
        cupy = usable_cupy()
    except MissingExtraError as error:
        print(f"no GPU check: {error}", file=sys.stderr)
        return 1
    result: dict[str, Any] = {**provenance(), "gpu": facts(cupy)}
    result["tests"] = run([sys.executable, "-m", "pytest", *KERNEL_TESTS], LIMITS["tests"])
    result["memcheck"], result["racecheck"] = (run_sanitizer(tool) for tool in ("memcheck", "racecheck"))
    result["timing"], result["workloads"] = run_timing()
    result["left_out_for_lack_of_time"] = lacking_time(result)
    write_atomically(out, json.dumps(result, indent=1).encode() + b"\n")
    print(summary(result), f"\n{out}")
    return 0 if all(result[leg]["passed"] is not False for leg in LIMITS) else 1


def run_sanitizer(tool: str) -> dict[str, Any]:
    """Run small tests of kernels under compute-sanitizer; passed is None where it is not installed."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        return {"passed": None, "why": "compute-sanitizer is not installed"}
    small = [sys.executable, "tests/cuda/sanitize.py", "--inside", *KERNEL_TESTS]
    return run([program, "--tool", tool, "--error-exitcode", "9", *small], LIMITS[tool])


def run_timing() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Time all workloads; return how the leg went and a row for each, as many as were done if it was stopped."""
    with tempfile.TemporaryDirectory() as folder:
        file, seconds = Path(folder) / "rows.jsonl", LIMITS["timing"] - LAST_WORKLOAD
        leg = run([sys.executable, "-m", "benchmarks.gpu_timing", str(file), str(seconds)], LIMITS["timing"])
        return leg, read_rows(file)


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows that a timing wrote; a last line without its end was being written when it was stopped."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def run(command: list[str], limit: float) -> dict[str, Any]:
    """Run a leg in a process of its own; return whether it passed, how long it took and its last lines."""
    began = time.perf_counter()
    environment = {**os.environ, "MINISGD_KERNELS_ON": "cuda"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that what the leg started ends with it
    )
    try:
        said, _ = process.communicate(timeout=limit)
        stopped = False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        stopped = True
    return {
        "passed": process.returncode == 0 and not stopped,
        "stopped": stopped,
        "limit": limit,
        "seconds": time.perf_counter() - began,
        "said": said[-2000:] + (f"\nstopped after {limit} seconds" if stopped else ""),
    }


def lacking_time(result: dict[str, Any]) -> list[str]:
    """Return the legs that were stopped and the workloads that did not begin."""
    stopped = [leg for leg in LIMITS if result[leg].get("stopped")]
    return stopped + [row["name"] for row in result["workloads"] if "skipped" in row]


def summary(result: dict[str, Any]) -> str:
    """Return the result as lines for a terminal."""
    lines = [f"{result['gpu']['name']}, driver {result['gpu']['driver']}"]
    for leg in LIMITS:
        outcome = {True: "passed", False: "FAILED", None: "skipped"}[result[leg]["passed"]]
        lines.append(f"{leg:36} {outcome} {result[leg].get('why', '')}".rstrip())
    for row in result["workloads"]:
        if "skipped" in row:
            lines.append(f"{row['name']:36} skipped {row['skipped']}")
            continue
        lines.append(_line(row["name"], row))
        if len(row["kernels"]) > 1:
            lines += [_line(f"    {kernel}", figures) for kernel, figures in row["kernels"].items()]
    return "\n".join(lines)


def _line(name: str, figures: dict[str, Any]) -> str:
    share = "" if figures["share_of_peak"] is None else f"{100 * figures['share_of_peak']:6.1f}% of peak"
    return f"{name:36} {1e6 * figures['seconds']:10.1f} µs {share}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
