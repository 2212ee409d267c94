"""A dry run: the legs of the GPU check on the test double, small, to see that they run. Nothing is measured."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Leg:
    """What a leg is told: the file for its rows, the seconds it has, and whether it only runs dry."""

    file: Path
    seconds: float
    dry: bool


def arguments(words: list[str] | None = None) -> Leg:
    """Return what the command line of a leg says; a dry one finds the double where others find CuPy."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--dry", action="store_true")
    given = parser.parse_args(words)
    if given.dry:
        install()
    return Leg(given.file, given.seconds, given.dry)


def write_rows(leg: Leg, rows: Iterable[dict[str, Any]]) -> int:
    """Write every row as soon as it is there; return 0 if none tells of an error or did not pass."""
    good = True
    with leg.file.open("w", encoding="utf-8") as lines:
        for row in rows:
            print(json.dumps(row), file=lines, flush=True)
            good = good and "error" not in row and row.get("passed", True)
    return 0 if good else 1


class _Forever:
    """Sets modules, and never takes them back."""

    def setitem(self, modules: dict[str, ModuleType], name: str, module: ModuleType) -> None:
        modules[name] = module


def install() -> None:
    """Let this process find the double as CuPy."""
    from tests.cuda import fake_cupy

    fake_cupy.install(_Forever(), memory=1 << 30)
