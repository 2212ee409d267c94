"""Prove and time minisgd on this machine's GPU, in two calls: python -m benchmarks.gpu.check 1 --out FOLDER, then 2

The first says in two and a half minutes whether it works and how fast a step is:
builds     of every kernel, by sixteen threads
smoke      ten steps of an MLP and of a CNN: one graph, no warning, the CPU's weights
agreement  of fifty steps of every optimizer with the CPU, in float64
step       of the first race, phase by phase

The second, in five and a half minutes, how fast, and how sound:
race       against PyTorch (eager, compiled with CUDA graphs, a whole step in one CUDA graph, vmapped) and JAX
timing     of each kernel at its natural size: occupancy, its share of the device's peak; the same products by cuBLAS
growth     of throughput and step time with the batch size, up to the memory limit; with a picture
study      the default one, on both devices
tests      of the kernels as everywhere, through CuPy
memcheck   compute-sanitizer over a launch of every kernel

In the folder: the rows of every leg (LEG.jsonl), each written when it is done, what the leg said (LEG.log), and
call-1.json or call-2.json with all of it, device, driver, versions and commit. Without a GPU it says so and exits
with 1. --dry runs the legs small, on a test double, to see that they run: nothing is measured then, and the file
says so. Every leg is a process of its own that is ended at its limit; what was stopped or skipped is listed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.device import facts, usable_cupy
from benchmarks.gpu.dry import install
from benchmarks.gpu.growth import draw
from benchmarks.harness.machine import ROOT, provenance
from minisgd.errors import MissingExtraError
from minisgd.files import write_atomically

CALLS: dict[int, dict[str, int]] = {
    1: {"builds": 45, "smoke": 25, "agreement": 50, "step": 30},
    2: {"race": 110, "timing": 70, "growth": 30, "study": 40, "tests": 45, "memcheck": 35},
}
"""Seconds of each leg of each call, in the order in which they run."""
LIMITS = {leg: limit for legs in CALLS.values() for leg, limit in legs.items()}

DRY_PATIENCE = 10
"""Times the limit of a leg that it may take on a test double: no device is waiting."""

LAST_WORKLOAD = 10
"""Seconds before the limit of a leg at which none of its workloads begins any more."""

KERNEL_TESTS = ["tests/kernels", "-v", "-x", "-n", "0", "-p", "no:cacheprovider", "-k", "not random"]
"""One process: a GPU is not shared."""


def main(arguments: list[str] | None = None) -> int:
    """Run the legs; 0 if all passed, 1 if one failed, was stopped or skipped rows, or there is no GPU."""
    args = _arguments(arguments)
    legs = args.legs or list(CALLS[args.call])
    if args.dry:
        install()
    try:
        cupy = usable_cupy()
    except MissingExtraError as error:
        print(f"no GPU check: {error}", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    gpu = {"name": "none: a test double"} if args.dry else facts(cupy)
    result: dict[str, Any] = {
        "benchmark": "gpu_check", "call": args.call, **provenance(args.commit), "dry": args.dry, "gpu": gpu, "legs": {},
    }  # fmt: skip
    for leg in legs:
        went = run_leg(leg, args.out, args.dry)
        result["legs"][leg] = went
        result["left_out_for_lack_of_time"] = lacking_time(result["legs"])
        print("\n".join(told(leg, went)), flush=True)
        # after every leg, so that an interruption loses nothing
        write_atomically(args.out / f"call-{args.call}.json", json.dumps(result, indent=1).encode() + b"\n")
    batches = result["legs"].get("growth", {}).get("rows", [])
    if any("seconds" in row for row in batches):
        draw(batches, gpu["name"], args.out / "growth.png")
    print(f"{gpu['name']}{': nothing here is a measurement' if args.dry else ''}\n{args.out}")
    return 0 if all(went["passed"] is not False for went in result["legs"].values()) else 1


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.gpu.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("call", type=int, choices=CALLS, help="the first call or the second")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="(benchmarks/results/gpu)")
    parser.add_argument("--legs", type=lambda text: text.split(","), metavar="L,L", help=f"some of {', '.join(LIMITS)}")
    parser.add_argument("--commit", metavar="HASH", help="of this code, where git cannot tell it")
    parser.add_argument("--dry", action="store_true", help="on a test double, to see that it runs: give --out too")
    args = parser.parse_args(words)
    if args.dry and args.out is None:
        parser.error("--dry must come with --out, since it has no results; write --out /somewhere/dry")
    unknown = set(args.legs or []) - set(LIMITS)
    if unknown:
        parser.error(f"--legs must be some of {', '.join(LIMITS)}, got {', '.join(sorted(unknown))}")
    args.out = args.out or ROOT / "benchmarks" / "results" / "gpu"
    return args


def run_leg(leg: str, folder: Path, dry: bool = False) -> dict[str, Any]:
    """Run a leg; return how it went, with its rows: as many as were done if it was stopped."""
    file, log = folder / f"{leg}.jsonl", folder / f"{leg}.log"
    file.unlink(missing_ok=True)
    limit = LIMITS[leg] * (DRY_PATIENCE if dry else 1)
    seconds = limit - LAST_WORKLOAD
    command = [sys.executable, "-m", f"benchmarks.gpu.{leg}", str(file), str(seconds), *(["--dry"] if dry else [])]
    if leg == "tests":
        # a warning of the device or its driver is no failure of ours: pytest counts it
        report = ["-W", "default", f"--junitxml={folder / 'tests.xml'}"]
        command = [sys.executable, "-m", "pytest", *KERNEL_TESTS, *report, *(["--collect-only"] if dry else [])]
    elif leg == "memcheck" and not dry:
        program = shutil.which("compute-sanitizer")
        if program is None:
            return {"passed": None, "why": "compute-sanitizer is not installed"}
        # CuPy asks the driver what it may not know, and expects the error
        command = [program, "--tool", "memcheck", "--report-api-errors", "no", "--error-exitcode", "9", *command]
    went = run(command, limit, log, on_gpu=not dry)
    rows = read_rows(file)
    if skipped := sum("skipped" in row for row in rows):
        went |= {"passed": False, "why": f"{skipped} of {len(rows)} rows were skipped"}
    return went | ({"rows": [unmeasured(row) for row in rows] if dry else rows} if rows else {})


def unmeasured(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a dry run may tell: that something ran, and how far it was from what it should be."""
    names = "name steps difference passed skipped error warnings calls uncapturable first_step".split()
    kept = {key: row[key] for key in names if key in row}
    if "rivals" in row:
        kept["loss_differences"] = {rival: figures["loss_difference"] for rival, figures in row["rivals"].items()}
        kept["skipped_rivals"] = row["skipped_rivals"]
    return kept


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows that a leg wrote; a last line without its end was being written when it was stopped."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def run(command: list[str], limit: float, log: Path, on_gpu: bool = True) -> dict[str, Any]:
    """Run a leg in a process of its own; return whether it passed, how long it took and its last lines."""
    began = time.perf_counter()
    environment = {**os.environ, **({"MINISGD_KERNELS_ON": "cuda"} if on_gpu else {})}
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that what the leg started ends with it
        )
        try:
            process.wait(timeout=limit)
            stopped = False
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            stopped = True
    last = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    return {
        "passed": process.returncode == 0 and not stopped,
        "stopped": stopped,
        "limit": limit,
        "seconds": time.perf_counter() - began,
        "said": last + (f"\nstopped after {limit} seconds" if stopped else ""),
    }


def lacking_time(legs: dict[str, dict[str, Any]]) -> list[str]:
    """Return the legs that were stopped and the workloads that did not begin."""
    stopped = [leg for leg, went in legs.items() if went.get("stopped")]
    return stopped + [row["name"] for went in legs.values() for row in went.get("rows", []) if "skipped" in row]


def told(leg: str, went: dict[str, Any]) -> list[str]:
    """Return a leg as lines for a terminal."""
    outcome = {True: "passed", False: "FAILED", None: "skipped"}[went["passed"]]
    rows = [line for row in went.get("rows", []) for line in _said(row)] if leg != "builds" else []
    failed = went["said"].splitlines()[-15:] if went["passed"] is False and "said" in went else []
    return [f"{leg:36} {outcome} {went.get('why', '')}".rstrip(), *rows, *failed]


def _said(row: dict[str, Any]) -> list[str]:
    """Return the lines of one row."""
    name = row["name"]
    for trouble in ("skipped", "error"):
        if trouble in row:
            return [f"{name:36} {trouble} {row[trouble]}"]
    if "difference" in row:
        since = f"  TOO FAR, first after step {row['first_step']}" if "first_step" in row else ""
        far = "" if row["passed"] or since or row["difference"] <= row.get("tolerance", 0) else "  TOO FAR"
        return [
            f"{name:36} apart by {row['difference']:.1e}{since}{far}",
            *(f"    {w}" for w in row.get("warnings", ())),
        ]
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
    if "calls" in row:
        graph = f"  not captured: {row['uncapturable']}" if row["uncapturable"] else ""
        return [f"{name:36} {1e6 * row['seconds']:10.1f} µs {row['calls']:4} calls{graph}"]
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
