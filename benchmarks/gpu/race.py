"""minisgd against the frameworks on the GPU: python -m benchmarks.gpu.race FILE SECONDS [--dry]

Every framework in a process of its own; the same losses first, then windows of time in turns, A B C, B C A. One line
of JSON for each workload and batch size. A rival that is not installed, or fails, is named as skipped with the reason;
so is a race that does not begin in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from benchmarks.gpu.dry import Leg, arguments, write_rows
from benchmarks.gpu.tasks import ENTRIES, NEED_A_GPU, STEP_MICROSECONDS, GpuTask, tasks, tolerance
from benchmarks.gpu.worker import Framework, GpuRival
from benchmarks.harness.processes import Failed, Worker
from benchmarks.harness.race import Pace, _alternate, _ask, check, summary

PACE = Pace(rounds=5, window=0.15, warm_up=0.3)


def rows(leg: Leg) -> Iterator[dict[str, Any]]:
    """Yield every race that begins in time."""
    end = time.perf_counter() + leg.seconds
    with frameworks(leg.dry) as started:
        for task in tasks(leg.dry):
            about = {
                "name": f"{task.workload} batch {task.batch_size} {task.precision}",
                "title": task.spec.title,
                "workload": task.workload,
                "batch_size": task.batch_size,
                "precision": task.precision,
            }
            if time.perf_counter() >= end:
                yield about | {"skipped": "no time left"}
                continue
            try:
                yield about | race(task, Pace.quick() if leg.dry else PACE, started)
            except Failed as problem:
                yield about | {"error": str(problem)[:1000]}


@contextmanager
def frameworks(dry: bool) -> Iterator[Callable[[str], Framework]]:
    """Give a function that returns the process of a package, started when first asked for, and again if it has died."""
    running: dict[str, Framework] = {}

    def started(package: str) -> Framework:
        if package not in running or running[package].process.poll() is not None:
            running[package] = Framework(package, dry)
        return running[package]

    try:
        yield started
    finally:
        for framework in running.values():
            framework.stop()


def race(task: GpuTask, pace: Pace, started: Callable[[str], Framework]) -> dict[str, Any]:
    """Check and time the rivals of a task.

    started: returns the process of a package

    Raises:
        Failed: If minisgd cannot run, or a rival's losses are not minisgd's.
    """
    workers: dict[str, Worker] = {}
    out: list[dict[str, str]] = []
    try:
        for entry in ENTRIES.values():
            if task.spec.kind not in entry.kinds:
                continue
            if find_spec(entry.package) is None:
                out.append({"rival": entry.name, "reason": f"{entry.package} is not installed"})
            elif task.dry and entry.name in NEED_A_GPU:
                out.append({"rival": entry.name, "reason": "CUDA graphs need a GPU"})
            else:
                # on a dry run the frameworks stay on the CPU, and only minisgd finds a device
                device = task.device if entry.name == "minisgd" or not task.dry else "cpu"
                workers[entry.name] = GpuRival(started(entry.package), entry, replace(task, device=device))
        # frameworks import and compile side by side; they are timed one at a time
        by_framework: dict[str, list[str]] = {}
        for name in workers:
            by_framework.setdefault(ENTRIES[name].package, []).append(name)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda names: [_ask(workers, out, name, "build") for name in names], by_framework.values()))
        results: dict[str, dict[str, Any]] = {name: {} for name in workers}
        for name, difference in check(workers, task, out, tolerance(task)).items():
            results[name]["loss_difference"] = difference
        windows = _alternate(workers, pace, out)
        for name in workers:
            results[name] |= summary(windows[name])
    finally:
        for worker in workers.values():
            worker.stop()
    rates = {name: results[name]["rate"] for name in workers}
    for name in workers:
        results[name]["step_seconds"] = task.batch_size * task.spec.replicas / rates[name]
    return {
        "n": task.n,
        "rivals": {name: results[name] for name in workers},
        "skipped_rivals": out,
        "ratios": {name: rates["minisgd"] / rate for name, rate in rates.items()},
        "targets": targets(task, rates, results),
    }


def targets(task: GpuTask, rates: dict[str, float], results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was aimed at beside what was reached."""
    found: list[dict[str, Any]] = []
    if task.precision == "full" and not task.dry:
        for rival in task.spec.targets:
            aim = task.spec.target(rival, task.batch_size)
            if aim is not None and rival in rates:
                found.append({"against": rival, "target": aim, "ratio": rates["minisgd"] / rates[rival]})
        most = STEP_MICROSECONDS.get((task.workload, task.batch_size))
        if most is not None:
            found.append({"step_microseconds": 1e6 * results["minisgd"]["step_seconds"], "at_most": most})
    return found


def main(leg: Leg) -> int:
    """Write the rows; 0 if no race failed."""
    return write_rows(leg, rows(leg))


if __name__ == "__main__":
    raise SystemExit(main(arguments()))
