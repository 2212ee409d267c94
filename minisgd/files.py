"""Writing files whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from minisgd.errors import OutputError


def write_atomically(path: str | Path, content: bytes, argument: str = "out") -> Path:
    """Write a file beside its destination and move it there, so that no reader meets half of it.

    Missing folders are made. Errors: OutputError naming the argument if the destination cannot be written.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(content)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as problem:
        raise OutputError(
            f"{argument} {str(path)!r}",
            expected="a path that can be written to",
            got=problem.strerror or str(problem),
            fix="choose another folder, or change its permissions",
        ) from problem
    return path
