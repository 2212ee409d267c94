"""Files: strict JSON, written completely or not at all; what the system refuses becomes an OutputError."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import secrets
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.checks import as_path
from minisgd.errors import ArgumentError, OutputError

DRAFT = ".part"
"""How the names of files end that are being written."""

_SURROGATE = re.compile("[\ud800-\udfff]")  # what stands for a byte of a file name that is not UTF-8


def to_json(document: Any, indent: int | None = None) -> str:
    """Return a document as strictly valid JSON with a line break: numbers that are not finite become null."""
    text = json.dumps(_plain(document), indent=indent, allow_nan=False, ensure_ascii=False)
    return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):x}", text) + "\n"


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
    path = as_path(path, argument)
    if path.is_dir() or not path.name:
        expected, fix = "the path of a file", "name a file in it"
        raise OutputError(f"{argument} {str(path)!r}", expected=expected, got="a folder", fix=fix)
    draft = path.with_name(f".{path.name}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}{DRAFT}")
    with output_errors(f"{argument} {str(path)!r}", "a path that can be written to"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _flush_folder(path.parent)
    return path


def require_writable(folder: Path, argument: str) -> None:
    """Refuse, before any work is done, a folder that cannot be written to. Nothing is left behind.

    Args:
        folder: The folder, which need not exist.
        argument: The name of the folder in an error message.

    Raises:
        OutputError: If it cannot be written to.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with output_errors(argument, "a folder that can be written to"):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
    finally:
        for path in missing:
            with suppress(OSError):  # of somebody who has written into it meanwhile, or removed it
                path.rmdir()


def lock_folder(folder: Path, argument: str) -> Callable[[], None]:
    """Take a folder for this process, until what is returned is called or the process ends, however it ends.

    What processes that were killed have left half written in it is removed.

    Args:
        folder: The folder.
        argument: The name of the folder in an error message.

    Raises:
        ArgumentError: Another process has it.
        OutputError: If it cannot be written to.
    """
    path = folder / "lock"
    with output_errors(argument, "a folder that can be read and written"):
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such locks on this system
            pass
        except (BlockingIOError, PermissionError):
            holder = os.read(file, 40).decode(errors="replace").strip()
            os.close(file)
            raise ArgumentError(
                argument,
                expected="a folder that no other process is working in",
                got=f"one in use by process {holder}",
                fix="wait for it, or choose another folder",
            ) from None
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        _remove_dead_drafts(folder)

    def unlock() -> None:
        path.unlink(missing_ok=True)
        os.close(file)

    return unlock


def holder_of(folder: Path) -> int | None:
    """Return the number of the process that has taken a folder, None where none lives that has.

    Args:
        folder: The folder.
    """
    try:
        number = int((folder / "lock").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return number if _is_alive(number) else None


def _remove_dead_drafts(folder: Path) -> None:
    """Remove the drafts of processes of this machine that were killed while they wrote into a folder."""
    for draft in folder.glob(f".*.{_host()}-*{DRAFT}"):
        number = draft.name.removesuffix(DRAFT).split("-")[-2]
        if number.isdecimal() and not _is_alive(int(number)):
            draft.unlink(missing_ok=True)


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


def _host() -> str:
    """Return a short name of this machine: a folder may be shared with others."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _flush_folder(folder: Path) -> None:
    """Make a renaming last through a loss of power, where folders can be flushed."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
