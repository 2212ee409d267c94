"""A rival on the GPU in a process of its own, commanded like those on the CPU, but not pinned to cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from typing import Any

from benchmarks.gpu.dry import install
from benchmarks.gpu.tasks import ENTRIES, GpuEntry, GpuTask
from benchmarks.harness.processes import ROOT, Worker
from benchmarks.harness.worker import Served, serve


class GpuWorker(Worker):
    """The parent's side."""

    def __init__(self, entry: GpuEntry, task: GpuTask) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu.worker", entry.name, json.dumps(asdict(task))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(task),
        )


def environment(task: GpuTask) -> dict[str, str]:
    """Return the environment of a rival: JAX on the device, and not with all of its memory at once."""
    jax = {"JAX_PLATFORMS": "cpu" if task.dry else "cuda", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return {**os.environ, **jax, "PYTHONWARNINGS": "ignore"}


class _GpuServed(Served):
    def build(self) -> dict[str, Any]:
        """Import the framework and set the training run up."""
        task, entry = GpuTask(**self.task), ENTRIES[self.name]
        self.rival = getattr(import_module(f"benchmarks.gpu.{entry.module}"), entry.kind)(task)
        self.steps = 1
        return {}


if __name__ == "__main__":
    name, task = sys.argv[1], json.loads(sys.argv[2])
    if task["dry"]:
        install()
    serve(_GpuServed(name, task))
