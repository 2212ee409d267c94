"""What the readers share."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from minisgd.errors import DataError
from minisgd.typing import HostArray

Arrays: TypeAlias = dict[str, tuple[HostArray, HostArray, HostArray | None]]
"""What a file of several splits holds: split name to (x, y, weight or None)."""


def existing(path: Path, *, folder: bool = False) -> Path:
    """Return a path that is there and of the right kind, or raise DataError naming it."""
    kind = "folder" if folder else "file"
    if not (path.is_dir() if folder else path.is_file()):
        there = "a folder" if path.is_dir() else "a file" if path.exists() else "nothing there"
        raise DataError(str(path), expected=f"a {kind} that exists", got=there, fix=f"check the {kind} name")
    return path
