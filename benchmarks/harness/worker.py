"""A rival in a process of its own: pinned to its cores before anything is imported, and idle unless commanded.

Commands come as lines of JSON on standard input, answers go as lines of JSON to standard output.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

STATUS = "/proc/self/status"


def main() -> None:
    task = json.loads(sys.argv[2])
    pin(task["cores"])
    serve(Served(sys.argv[1], task))


def serve(served: Served) -> None:
    """Obey the commands of the parent until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(served, command.pop("do"))(**command)
        except Exception as problem:
            answer = {"error": f"{type(problem).__name__}: {problem}".splitlines()[0][:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def pin(cores: int) -> None:
    """Hold this process, and all threads it will start, to the last of the cores it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


class Served:
    """What a worker can be asked for."""

    def __init__(self, name: str, task: dict[str, Any]) -> None:
        self.name, self.task = name, task

    def build(self) -> dict[str, Any]:
        """Import the framework and set the training run up; tell what the import alone took in memory."""
        from importlib import import_module

        from benchmarks.cpu.rivals import RIVALS
        from benchmarks.cpu.rivals.rival import Task

        entry = RIVALS[self.name]
        import_module(f"benchmarks.cpu.rivals.{entry.module}")
        imported = peak_bytes()
        self.rival = entry.start(Task(**self.task))
        self.steps = 1
        return {"imported_bytes": imported}

    def losses(self, orders: list[list[int]], steps: int) -> dict[str, Any]:
        """Train on given batches and tell the losses."""
        import numpy as np

        return {"losses": self.rival.losses(np.array(orders), steps).tolist()}

    def warm_up(self, seconds: float, window: float) -> dict[str, Any]:
        """Run until caches, compilers and allocators have settled; find how many steps fill a window."""
        self.rival.tune()
        self.steps, begun = 1, time.perf_counter()
        while True:
            start = time.perf_counter()
            examples = self.rival.run(self.steps)
            taken = time.perf_counter() - start
            if taken < window / 2 and self.steps < 10**6:
                self.steps = max(self.steps + 1, min(10 * self.steps, round(self.steps * window / taken)))
            elif time.perf_counter() - begun > seconds:
                return {"examples": examples}

    def window(self, seconds: float) -> dict[str, Any]:
        """Time about so many seconds of training, after a moment that brings its data back into the caches."""
        self.rival.run(max(1, self.steps // 10))
        examples, used, others = 0, time.process_time(), -busy()
        start = time.perf_counter()
        while (taken := time.perf_counter() - start) < 0.9 * seconds:
            examples += self.rival.run(self.steps)
        used, others = time.process_time() - used, others + busy()
        return {"rate": examples / taken, "seconds": taken, "foreign": max(0.0, others - used) / taken}

    def memory(self) -> dict[str, Any]:
        """Tell the largest resident set so far."""
        return {"peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """Return the largest resident set of this process so far."""
    try:
        with open(STATUS) as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def busy() -> float:
    """Return the seconds that this process's cores have been busy, whoever kept them so, and stolen ones."""
    try:
        mine = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        with open("/proc/stat") as stat:
            rows = [line.split() for line in stat if line.split(" ", 1)[0] in mine]
    except (OSError, AttributeError):
        return time.process_time()
    # user, nice, system, irq, softirq, steal; not idle, iowait
    ticks = sum(int(row[k]) for row in rows for k in (1, 2, 3, 6, 7, 8))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
