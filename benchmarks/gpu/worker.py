"""The rivals of one framework on the GPU in one process, which imports it once for all races.

It is commanded like a rival's process on the CPU, but not pinned to cores; every command names the rival it is for.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from typing import Any

from benchmarks.gpu.dry import install
from benchmarks.gpu.tasks import ENTRIES, GpuEntry, GpuTask
from benchmarks.harness.processes import ROOT, Failed, Worker
from benchmarks.harness.worker import Served, serve


class Framework(Worker):
    """The parent's side of a process."""

    def __init__(self, package: str, dry: bool) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu.worker", package, *(["--dry"] if dry else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(dry),
        )


class GpuRival(Worker):
    """One rival among those of its framework."""

    def __init__(self, framework: Framework, entry: GpuEntry, task: GpuTask) -> None:
        self.framework, self.entry, self.task = framework, entry, task

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        if do == "build":
            arguments |= {"task": asdict(self.task)}
        return self.framework.ask(do, rival=self.entry.name, **arguments)

    def stop(self) -> None:
        """Let the process forget the rival, and its memory with it."""
        try:
            self.framework.ask("forget", rival=self.entry.name)
        except (Failed, ValueError):
            pass  # it has ended, and its memory is free


def environment(dry: bool) -> dict[str, str]:
    """Return the environment of a framework: JAX on the device, and not with all of its memory at once."""
    jax = {"JAX_PLATFORMS": "cpu" if dry else "cuda", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return {**os.environ, **jax, "PYTHONWARNINGS": "ignore"}


class _Rivals:
    """The rivals of a framework; a command goes to the one it names."""

    def __init__(self) -> None:
        self.served: dict[str, Served] = {}

    def __getattr__(self, do: str) -> Any:
        return lambda rival, **arguments: getattr(self.served[rival], do)(**arguments)

    def build(self, rival: str, task: dict[str, Any]) -> dict[str, Any]:
        """Import the framework, where that has not been done, and set the training run up."""
        entry, served = ENTRIES[rival], Served(rival, task)
        served.rival = getattr(import_module(f"benchmarks.gpu.{entry.module}"), entry.kind)(GpuTask(**task))
        served.steps = 1
        self.served[rival] = served
        return {}

    def forget(self, rival: str) -> dict[str, Any]:
        """Give the memory of a rival back."""
        self.served.pop(rival, None)
        gc.collect()
        if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
        return {}


if __name__ == "__main__":
    if "--dry" in sys.argv:
        install()
    serve(_Rivals())
