"""Prove and time minisgd on this machine's GPU: python -m benchmarks.gpu.check [--out FILE] [--legs L,L] [--dry]

tests      of the kernels as everywhere, through CuPy
timing     of each kernel at its natural size: occupancy, its share of the device's peak; the same products by cuBLAS
agreement  of fifty steps of every optimizer with the CPU, in float64
race       against PyTorch eager, compiled with CUDA graphs and vmapped, and JAX, at equal precision
study      the default one, on both devices
growth     of throughput and step time with the batch size, up to the memory limit; with a picture
memcheck, racecheck   compute-sanitizer over the small shapes of the tests

One JSON file holds all of it, with device, driver, versions and commit. Without a GPU it says so and exits with 1.
--dry runs agreement, race, study and growth, small, on a test double, to see that they run: nothing is measured
then, and the file says so.

Every leg is a process of its own that is ended at its limit, and the limits add up to less than nine minutes.
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

from benchmarks.gpu.device import facts, usable_cupy
from benchmarks.gpu.dry import install
from benchmarks.gpu.growth import draw
from benchmarks.harness.machine import ROOT, provenance
from minisgd.errors import MissingExtraError
from minisgd.files import write_atomically

LIMITS = {
    "tests": 90,
    "timing": 65,
    "agreement": 40,
    "race": 130,
    "study": 45,
    "growth": 35,
    "memcheck": 50,
    "racecheck": 50,
}
"""Seconds of each leg, in the order in which they run."""
DRY = ("agreement", "race", "study", "growth")
"""The legs that can run on the double."""

LAST_WORKLOAD = 15
"""Seconds before the limit of a leg at which none of its workloads begins any more."""

LISTED = {
    "timing": "workloads",
    "agreement": "agreements",
    "race": "races",
    "study": "studies",
    "growth": "batches",
}
"""The legs that write rows, and what these are called in the file."""

KERNEL_TESTS = ["tests/kernels", "-q", "-n", "0", "-p", "no:cacheprovider", "-k", "not random"]
"""One process: a GPU is not shared."""


def main(arguments: list[str] | None = None) -> int:
    """Run the legs; 0 if all passed, 1 if one failed or was stopped, or there is no GPU."""
    args = _arguments(arguments)
    legs = [leg for leg in LIMITS if leg in (DRY if args.dry else LIMITS) and leg in (args.legs or LIMITS)]
    if args.dry:
        install()
    try:
        cupy = usable_cupy()
    except MissingExtraError as error:
        print(f"no GPU check: {error}", file=sys.stderr)
        return 1
    gpu = {"name": "none: a test double"} if args.dry else facts(cupy)
    result: dict[str, Any] = {"benchmark": "gpu_check", **provenance(), "dry": args.dry, "gpu": gpu}
    for leg in legs:
        result[leg], rows = run_leg(leg, args.dry)
        if leg in LISTED:
            result[LISTED[leg]] = rows
        result["left_out_for_lack_of_time"] = lacking_time(result)
        # after every leg, so that an interruption loses nothing
        write_atomically(args.out, json.dumps(result, indent=1).encode() + b"\n")
    if any("seconds" in row for row in result.get("batches", [])):
        draw(result["batches"], result["gpu"]["name"], args.out.with_suffix(".png"))
    print(summary(result), f"\n{args.out}")
    return 0 if all(result[leg]["passed"] is not False for leg in legs) else 1


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.gpu.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="(benchmarks/results/gpu_check.json)")
    parser.add_argument("--legs", type=lambda text: text.split(","), metavar="L,L", help=f"some of {', '.join(LIMITS)}")
    parser.add_argument("--dry", action="store_true", help="on a test double, to see that it runs: give --out too")
    args = parser.parse_args(words)
    if args.dry and args.out is None:
        parser.error("--dry must come with --out, since it has no results; write --out /somewhere/dry.json")
    unknown = set(args.legs or []) - set(LIMITS)
    if unknown:
        parser.error(f"--legs must be some of {', '.join(LIMITS)}, got {', '.join(sorted(unknown))}")
    args.out = args.out or ROOT / "benchmarks" / "results" / "gpu_check.json"
    return args


def run_leg(leg: str, dry: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run a leg; return how it went, and its rows, as many as were done if it was stopped."""
    if leg == "tests":
        return run([sys.executable, "-m", "pytest", *KERNEL_TESTS], LIMITS[leg]), []
    if leg not in LISTED:
        return run_sanitizer(leg), []
    with tempfile.TemporaryDirectory() as folder:
        file, seconds = Path(folder) / "rows.jsonl", LIMITS[leg] - LAST_WORKLOAD
        command = [sys.executable, "-m", f"benchmarks.gpu.{leg}", str(file), str(seconds), *(["--dry"] if dry else [])]
        went, rows = run(command, LIMITS[leg]), read_rows(file)
        return went, [unmeasured(row) for row in rows] if dry else rows


def run_sanitizer(tool: str) -> dict[str, Any]:
    """Run small tests of kernels under compute-sanitizer; passed is None where it is not installed."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        return {"passed": None, "why": "compute-sanitizer is not installed"}
    small = [sys.executable, "-m", "tests.cuda.sanitize", "--inside", *KERNEL_TESTS]
    return run([program, "--tool", tool, "--error-exitcode", "9", *small], LIMITS[tool])


def unmeasured(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a dry run may tell: that something ran, and how far it was from what it should be."""
    kept = {key: row[key] for key in ("name", "steps", "difference", "passed", "skipped", "error") if key in row}
    if "rivals" in row:
        kept["loss_differences"] = {rival: figures["loss_difference"] for rival, figures in row["rivals"].items()}
        kept["skipped_rivals"] = row["skipped_rivals"]
    return kept


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
    stopped = [leg for leg in LIMITS if result.get(leg, {}).get("stopped")]
    return stopped + [row["name"] for rows in LISTED.values() for row in result.get(rows, []) if "skipped" in row]


def summary(result: dict[str, Any]) -> str:
    """Return the result as lines for a terminal."""
    gpu = result["gpu"]
    lines = [f"{gpu['name']}, driver {gpu['driver']}" if "driver" in gpu else "dry run: nothing here is a measurement"]
    for leg in LIMITS:
        if leg in result:
            outcome = {True: "passed", False: "FAILED", None: "skipped"}[result[leg]["passed"]]
            lines.append(f"{leg:36} {outcome} {result[leg].get('why', '')}".rstrip())
    for rows in LISTED.values():
        for row in result.get(rows, []):
            lines += _said(row)
    return "\n".join(lines)


def _said(row: dict[str, Any]) -> list[str]:
    """Return the lines of one row."""
    name = row["name"]
    for trouble in ("skipped", "error"):
        if trouble in row:
            return [f"{name:36} {trouble} {row[trouble]}"]
    if "difference" in row:
        return [f"{name:36} apart by {row['difference']:.1e} {'' if row['passed'] else '  TOO FAR'}".rstrip()]
    if "rivals" in row:
        skipped = [f"    {each['rival']:32} skipped {each['reason']}" for each in row["skipped_rivals"]]
        raced = [
            f"    {rival:32} {1e6 * each['step_seconds']:10.1f} µs a step, minisgd {row['ratios'][rival]:.2f} × as fast"
            for rival, each in row["rivals"].items()
        ]
        return [f"{name}: {row['title']}", *raced, *skipped, *map(_aimed, row["targets"])]
    if "examples_per_second" in row:
        return [f"{name:36} {1e6 * row['seconds']:10.1f} µs {row['examples_per_second']:14,.0f} examples/s"]
    if "seconds" not in row:
        return [f"{name:36} ran"]
    if "why" in row:
        return [f"{name:36} {row['seconds']:10.1f} s  {row['why']}"]
    more = row["kernels"] if len(row["kernels"]) > 1 else {}
    return [_line(name, row), *(_line(f"    {kernel}", figures) for kernel, figures in more.items())]


def _aimed(target: dict[str, Any]) -> str:
    if "at_most" in target:
        met = target["step_microseconds"] <= target["at_most"]
        text = f"{target['step_microseconds']:.1f} µs a step, at most {target['at_most']:g}"
    else:
        met = target["ratio"] >= target["target"]
        text = f"{target['ratio']:.2f} × {target['against']}, at least {target['target']:g}"
    return f"    target: {text}: {'met' if met else 'MISSED'}"


def _line(name: str, figures: dict[str, Any]) -> str:
    share = "" if figures["share_of_peak"] is None else f"{100 * figures['share_of_peak']:6.1f}% of peak"
    return f"{name:36} {1e6 * figures['seconds']:10.1f} µs {share}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
