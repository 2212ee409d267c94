"""What a reader of data files is: how its data are named, what they are in words, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

from minisgd.errors import DataError, MinisgdError
from minisgd.typing import HostArray, Shape

Arrays: TypeAlias = dict[str, tuple[HostArray, HostArray, HostArray | None]]
"""What a file of several splits holds: split name to (x, y, weight or None)."""

MOST_EXPANDED, AT_LEAST = 256, 64 << 20
"""What a file may take in memory: so many times its size, or so many bytes where that is more. What forged sizes and
compressed nothing claim beyond is refused before it is reserved."""
_MOST_VALUES = 1 << 56


@dataclass(frozen=True)
class Reader:
    """A row of the table of readers.

    form: how such data are named, a scheme or the ending of each file: ``idx:DIR``, ``FILE.npz``, ``x.npy,y.npy``
    meaning: what that is, for people   read: from the paths to the arrays by split
    """

    form: str
    meaning: str
    read: Callable[..., Any]

    @property
    def scheme(self) -> str:
        """``idx:`` of ``idx:DIR``; empty where the endings of files tell."""
        scheme, colon, _ = self.form.partition(":")
        return scheme + colon if colon else ""

    @property
    def endings(self) -> list[str]:
        """``[".npy", ".npy"]`` of ``x.npy,y.npy``; empty where a scheme tells."""
        return [] if self.scheme else [Path(part).suffix for part in self.form.split(",")]

    def takes(self, name: str) -> bool:
        """Tell whether a name has the form of this reader."""
        if self.scheme:
            return name.startswith(self.scheme)
        return [Path(path).suffix.lower() for path in self.paths(name)] == self.endings

    def paths(self, name: str) -> list[str]:
        """Return the paths in a name."""
        bare = name.removeprefix(self.scheme)
        return bare.split(",") if len(self.endings) > 1 else [bare]

    def arrays(self, name: str) -> Arrays:
        """Return the arrays by split."""
        arrays: Arrays = self.read(*self.paths(name))
        return arrays


@dataclass(frozen=True)
class TableReader(Reader):
    """A reader of named columns, one of which is the target.

    read: from the path, and whether line 1 of a file names the columns, to a Table
    also: other endings that such files have
    """

    also: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        """Tell whether a name has one of the endings."""
        return name.lower().endswith((*self.endings, *self.also))


def existing(path: Path, *, folder: bool = False) -> Path:
    """Return a path that is there and of the right kind, or raise DataError naming it."""
    kind = "folder" if folder else "file"
    if not (os.path.isdir(path) if folder else os.path.isfile(path)):  # False for names too long as well
        there, fix = "nothing at this path", f"check the {kind} name"
        if path.parts[:1] in (("http:",), ("https:",)):
            there, fix = "an address", "download it first"
        if os.path.isdir(path) or os.path.isfile(path):
            there = "a folder" if os.path.isdir(path) else "a file"
        elif os.path.exists(path):
            there, fix = "a pipe or device, which can be read only once", "save what it gives to a file first"
        raise DataError(str(path), expected=f"an existing {kind}", got=there, fix=fix)
    return path


@contextmanager
def refusing(path: Path, expected: str, fix: str) -> Iterator[None]:
    """Refuse a file in whatever way the reading of it fails: damaged and hostile files fail in all of them."""
    try:
        yield
    except MinisgdError:
        raise
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise DataError(str(path), expected=expected, got=reason, fix=fix) from error


def require_axes(where: str, shape: Shape) -> None:
    """Refuse an array of no values whose other axes are longer than those of any array may be."""
    if 0 in shape and prod(n or 1 for n in shape) > _MOST_VALUES:
        raise DataError(where, expected="an array of a valid shape", got=f"shape {shape}", fix="write the file again")


def room(path: Path) -> int:
    """Return how many bytes a file may hold."""
    return max(AT_LEAST, MOST_EXPANDED * path.stat().st_size)


def require_room(path: Path, size: int, what: str) -> None:
    """Refuse a file that claims to hold more bytes than one of its size may."""
    if size > room(path):
        raise DataError(
            str(path),
            expected=f"at most {MOST_EXPANDED} times as large in memory as it is, or {AT_LEAST >> 20} MiB",
            got=f"{what} of {size:,} bytes in a file of {path.stat().st_size:,}",
            fix="check where it comes from; if it is sound, write it uncompressed",
        )
