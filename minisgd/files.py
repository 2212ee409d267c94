"""Files: strict JSON, written completely or not at all; what the system refuses becomes an OutputError."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.errors import OutputError


def to_json(document: Any, indent: int | None = None) -> str:
    """Return a document as strictly valid JSON with a line break: numbers that are not finite become null."""
    return json.dumps(_plain(document), indent=indent, allow_nan=False, ensure_ascii=False) + "\n"


def write_atomically(path: str | Path, content: bytes, argument: str = "out") -> Path:
    """Write a file next to its destination and move it there, so that no reader meets half of it.

    Missing folders are made.

    Args:
        path: The destination.
        content: All that the file is to hold.
        argument: The name of the path in an error message.

    Returns:
        The destination.

    Raises:
        OutputError: The destination cannot be written.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    with output_errors(f"{argument} {str(path)!r}", "a path that can be written to"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(content)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    return path


@contextmanager
def output_errors(
    argument: str, expected: str, fix: str = "choose another folder, or change its permissions"
) -> Iterator[None]:
    """Turn an OSError raised inside into an OutputError that names the argument."""
    try:
        yield
    except OSError as problem:
        raise OutputError(argument, expected=expected, got=problem.strerror or str(problem), fix=fix) from problem


def _plain(value: Any) -> Any:
    """Turn nested containers into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
