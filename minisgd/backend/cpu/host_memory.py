"""The memory of this machine."""

from __future__ import annotations

import os
from pathlib import Path


def available_memory() -> tuple[int, str]:
    """Return the bytes that can be had without swapping, and where the number comes from."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1]), "MemAvailable of /proc/meminfo"
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "the machine's physical memory"
    except (AttributeError, ValueError, OSError):
        return 1 << 32, "a guess: this system does not say"
