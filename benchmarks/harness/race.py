"""Rivals against one another on one workload: the same losses first, then windows of time, in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.cpu.rivals import RIVALS, Entry, Task
from benchmarks.harness.processes import Failed, Worker
from benchmarks.harness.workloads import EAGER

TOLERANCE = 1e-4
"""How far a loss in float32 may be from minisgd's, relative to 1 + |loss|."""

FOREIGN = 0.12
"""A window in which others used more of our cores than this is ignored, if enough clean ones exist."""

CLEAN = 3


@dataclass(frozen=True)
class Pace:
    """How long to measure: rounds of windows of some seconds, after warming up."""

    rounds: int = 9
    window: float = 0.15
    warm_up: float = 0.4

    @classmethod
    def quick(cls) -> Pace:
        return cls(rounds=2, window=0.02, warm_up=0.02)


def race(entries: Sequence[Entry], task: Task, pace: Pace, note: Callable[[str], None]) -> dict[str, Any]:
    """Check and time rivals on a task; return the record that result files hold.

    Errors: Failed if minisgd itself cannot run, or a rival's losses are not minisgd's.
    """
    workers: dict[str, Worker] = {}
    out: list[dict[str, str]] = []
    try:
        for entry in (entry for entry in entries if task.workload in entry.workloads):
            if entry.installed:
                workers[entry.name] = Worker(entry, task)
            else:
                out.append({"rival": entry.name, "reason": f"{entry.package} is not installed"})
        results = _prepare(workers, out)
        differences = check(workers, task, out)
        for name, difference in differences.items():
            results[name]["loss_difference"] = difference
        windows = _alternate(workers, pace, out)
        for name, worker in workers.items():
            results[name] |= summary(windows[name]) | worker.ask("memory")
    finally:
        for worker in workers.values():
            worker.stop()
    for skipped in out:
        note(f"{task.workload} B={task.batch_size}: {skipped['rival']} skipped: {skipped['reason']}")
    return {
        "workload": task.workload,
        "batch_size": task.batch_size,
        "cores": task.cores,
        "n": task.n,
        "rivals": {name: results[name] for name in workers},
        "skipped": out,
        **compare({name: results[name]["rate"] for name in workers}, task),
    }


def _prepare(workers: dict[str, Worker], out: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    results = {}
    for name in list(workers):
        answer = _ask(workers, out, name, "build")
        if answer is not None:
            results[name] = answer
    return results


def _ask(workers: dict[str, Worker], out: list[dict[str, str]], name: str, do: str, **arguments: Any) -> Any:
    """Ask a rival; one that fails leaves the race by name, but without minisgd there is none."""
    try:
        return workers[name].ask(do, **arguments)
    except Failed as problem:
        if name == "minisgd":
            raise Failed(f"minisgd: {problem}") from problem
        workers.pop(name).stop()
        out.append({"rival": name, "reason": str(problem)})
        return None


# ---------------------------------------------------------------- the same losses


def check(
    workers: dict[str, Worker], task: Task, out: list[dict[str, str]], tolerance: float = TOLERANCE
) -> dict[str, float]:
    """Return how far each rival's losses are from minisgd's over some steps, short batch included.

    Errors: Failed if one is too far: then the rivals do not do the same work.
    """
    orders, steps = check_batches(task)
    losses = {}
    for name in list(workers):
        answer = _ask(workers, out, name, "losses", orders=orders.tolist(), steps=steps)
        if answer is not None:
            losses[name] = np.array(answer["losses"])
    ours = losses["minisgd"]
    differences = {name: _distance(theirs, ours) for name, theirs in losses.items()}
    wrong = {name: d for name, d in differences.items() if not d <= tolerance}
    if wrong:
        told = ", ".join(f"{name} by {d:.2g}" for name, d in wrong.items())
        raise Failed(f"{task.workload} B={task.batch_size}: losses differ from minisgd's: {told}")
    return differences


def _distance(theirs: np.ndarray, ours: np.ndarray) -> float:
    """Return the largest difference of losses (steps, R), relative to 1 + |loss|; infinite if shapes differ."""
    if theirs.shape != ours.shape:
        return float("inf")
    return float(np.max(np.abs(theirs - ours) / (1 + np.abs(ours))))


def check_batches(task: Task) -> tuple[np.ndarray, int]:
    """Return the examples of an epoch for every replica, (R, n), and the steps to take: two such epochs.

    An epoch is two batches, four at B = 1, and the same short one that training has.
    """
    whole = 4 if task.batch_size == 1 else 2
    n = min(task.n, whole * task.batch_size + task.n % task.batch_size)
    rng = np.random.default_rng(1)
    orders = np.stack([rng.permutation(task.n)[:n] for _ in range(task.spec.replicas)])
    epoch = -(-n // task.batch_size)
    return orders, epoch if task.spec.kind == "predict" else 2 * epoch


# ---------------------------------------------------------------- the time


def _alternate(workers: dict[str, Worker], pace: Pace, out: list[dict[str, str]]) -> dict[str, list[dict[str, float]]]:
    """Time windows A B C, B C A, C A B: whoever drifts with the machine drifts for all."""
    for name in list(workers):
        _ask(workers, out, name, "warm_up", seconds=pace.warm_up, window=pace.window)
    windows: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
    for turn in range(2 * pace.rounds):
        names = list(workers)
        if turn >= pace.rounds and all(_clean(windows[name]) >= CLEAN for name in names):
            break
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            answer = _ask(workers, out, name, "window", seconds=pace.window)
            if answer is not None:
                windows[name].append(answer)
    return windows


def _clean(windows: list[dict[str, float]]) -> int:
    return sum(w["foreign"] <= FOREIGN for w in windows)


def summary(windows: list[dict[str, float]]) -> dict[str, Any]:
    """Return the median rate and its quartiles, of the clean windows if there are enough."""
    clean = [w for w in windows if w["foreign"] <= FOREIGN]
    rates = [w["rate"] for w in (clean if len(clean) >= CLEAN else windows)]
    low, middle, high = np.percentile(rates, [25, 50, 75])
    return {"rate": middle, "low": low, "high": high, "windows": len(windows), "clean": len(clean)}


def compare(rates: dict[str, float], task: Task) -> dict[str, Any]:
    """Return the reference, every rival's ratio to it, and minisgd's ratios beside the targets."""
    eager = {name: rate for name, rate in rates.items() if RIVALS[name].eager}
    reference = max(eager, key=lambda name: eager[name]) if eager else None
    ratios = {name: rate / rates[reference] for name, rate in rates.items()} if reference else {}
    targets = []
    for rival in task.spec.targets:
        aim, against = task.spec.target(rival, task.batch_size), reference if rival == EAGER else rival
        if aim is not None and against in rates and task.cores == task.spec.cores:
            targets.append({"against": against, "target": aim, "ratio": rates["minisgd"] / rates[against]})
    return {"reference": reference, "ratios": ratios, "targets": targets}
