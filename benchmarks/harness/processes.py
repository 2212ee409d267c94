"""The parent's side of a worker: start it with its threads held, command it, read its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cpu.rivals import Entry, Task

ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """A rival could not do what it was asked; the message says why."""


class Worker:
    """A rival's process. It works only between a command and its answer, so rivals never run side by side."""

    def __init__(self, entry: Entry, task: Task) -> None:
        self.entry = entry
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness.worker", entry.name, json.dumps(asdict(task))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(task.cores),
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Command the worker and wait for its answer.

        Errors: Failed, with the rival's own message, or if it died.
        """
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            raise Failed(f"its process ended with code {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def stop(self) -> None:
        """End the process: it leaves its loop when its input ends."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def environment(cores: int) -> dict[str, str]:
    """Return the environment of a process whose numerical libraries use so many threads."""
    threads = dict.fromkeys(
        ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), str(cores)
    )
    # XLA sizes its pool by the cores it is pinned to; with one core it must not use a pool at all
    xla = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if cores == 1 else {}
    return {**os.environ, **threads, **xla, "JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore"}
