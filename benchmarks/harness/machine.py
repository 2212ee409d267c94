"""Where and with what a measurement was taken: machine, versions, commit, date."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = ("numpy", "torch", "jax", "jaxlib", "scikit-learn")


def provenance(commit: str | None = None) -> dict[str, Any]:
    """Return everything that belongs beside a figure.

    commit: what its user says it is, where the code lies without its repository. "unknown" and None for what nobody
    knows: commit, and whether the code differs from it.
    """
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD") or commit or "unknown",
        "dirty": None if changes is None else bool(changes),
        "machine": machine(),
        "versions": versions(),
    }


def machine() -> dict[str, Any]:
    """Return the processor, its cores and caches, and the operating system."""
    from minisgd.lab.environment import processor

    return {
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "caches": _caches(),
        "memory_bytes": _memory(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
    }


def versions() -> dict[str, str | None]:
    """Return the versions of Python, minisgd and every rival; None where it is not installed."""
    from minisgd.version import __version__

    return {"python": platform.python_version(), "minisgd": __version__, **{p: _version(p) for p in PACKAGES}}


def describe(facts: dict[str, Any]) -> str:
    """Say in one line where figures come from."""
    about, installed = facts["machine"], facts["versions"]
    parts = [about["cpu"], f"{about['cores']} cores", *(f"{k} {v}" for k, v in about["caches"].items())]
    named = [f"{name} {number}" for name, number in installed.items() if number]
    changes = {True: " with changes", False: "", None: ", changes unknown"}[facts["dirty"]]
    commit = "commit unknown" if facts["commit"] == "unknown" else facts["commit"][:10]
    return f"{', '.join(parts)}; {', '.join(named)}; {commit}{changes}, {facts['date'][:10]}"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _caches() -> dict[str, str]:
    """Return the size of each cache that the first core sees, by level and type."""
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        found[f"L{level}{kind[0].lower() if kind != 'Unified' else ''}"] = size
    return found


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
