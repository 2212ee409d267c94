"""The machine a study ran on."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

from minisgd.backend.cpu.threads import available_cores
from minisgd.version import __version__


def environment(threads: int | None) -> dict[str, Any]:
    """Return what a reader needs to know of the machine and the versions."""
    return {
        "minisgd": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": available_cores(),
        "threads": threads or "by the size of the work",
    }


def half_of_memory() -> int:
    """Return half of the machine's memory in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return 1 << 31
