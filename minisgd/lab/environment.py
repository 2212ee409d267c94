"""The machine a study ran on."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.backend.cpu.threads import available_cores
from minisgd.version import __version__

CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says how much memory a container may have."""


def environment(threads: int | None) -> dict[str, Any]:
    """Return what a reader needs to know of the machine and the versions."""
    return {
        "minisgd": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": processor(),
        "cores": available_cores(),
        "threads": threads or "by the size of the work",
    }


def processor() -> str:
    """Return the name of the processor, with family and model, which hypervisors that hide the name do not hide."""
    about = _cpuinfo()
    model = about["model name"]
    return f"{model} (family {about['cpu family']}, model {about['model']})" if "cpu family" in about else model


def half_of_memory() -> int:
    """Return half of the memory in bytes: the machine's, or what the container may have of it."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = 1 << 32
    for limit in CONTAINER_LIMITS:
        try:
            memory = min(memory, int(Path(limit).read_text()))
        except (ValueError, OSError):
            continue  # "max", or another system
    return memory // 2


def processor_kind() -> str:
    """Return the model of the processor and the number of cores; machines of one kind say the same."""
    return f"{_cpuinfo()['model name']}, {available_cores()} cores"


def _cpuinfo() -> dict[str, str]:
    """Return what Linux says of the processor, and on any system its name."""
    about = {"model name": platform.processor() or platform.machine()}
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        about |= {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return about
