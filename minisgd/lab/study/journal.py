"""The journal of a study: every finished training run, from which the study goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Generic, Protocol, Self, TypeVar
from weakref import finalize

from minisgd.errors import ArgumentError, DataError
from minisgd.files import lock_folder, output_errors, to_json, write_atomically


class Entry(Protocol):
    """What a journal keeps: a finished training run that is a line of text and can be made from one."""

    @property
    def key(self) -> tuple[int, float, int]: ...

    def to_line(self) -> str: ...

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self: ...


C = TypeVar("C", bound=Entry)


class Journal(Generic[C]):
    """The finished cells of a study: in memory, and a line each in a folder if there is one.

    settings: everything that the cells depend on. A folder whose journal has other settings is refused,
    one with the same goes on where it stopped.   kind: what the cells are

    Every line ends with a checksum of itself and of the settings. A second process is refused as long as the first
    lives: it holds a lock on a file with its process number, which the system lets go when it ends, however it ends.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any], kind: type[C]) -> None:
        self._seal = ""
        self.close: Callable[[], Any] = lambda: None
        """Let another process have the folder; done anyhow when the journal or the process is gone."""
        self.cells: dict[tuple[int, float, int], C] = {}
        self.facts: dict[str, Any] = {}
        self._lock = Lock()
        self._folder = folder
        if folder is not None:
            self._open(folder, json.loads(json.dumps(settings)), kind)

    def _open(self, folder: Path, settings: dict[str, Any], kind: type[C]) -> None:
        out = f"out {str(folder)!r}"
        self.close = finalize(self, lock_folder(folder, out))
        known = _read_json(folder / "journal.json")
        if known is None and (folder / "cells.jsonl").exists():
            raise DataError(
                out,
                expected="a folder with the journal.json that says what its cells.jsonl belongs to",
                got="none",
                fix="choose another folder, or delete cells.jsonl",
            )
        if known is not None and known.get("settings") != settings:
            theirs = known.get("settings", {})
            different = sorted(k for k in settings.keys() | theirs.keys() if settings.get(k) != theirs.get(k))
            raise ArgumentError(
                out,
                expected="an empty folder, or one where the same study was stopped",
                got=f"a study with other {', '.join(different)}",
                fix="choose another folder, or delete that one",
            )
        self._settings = settings
        self._seal = json.dumps(settings, sort_keys=True)
        self.facts = known.get("facts", {}) if known else {}
        self._write_about()
        self._path = folder / "cells.jsonl"
        for cell in _read_cells(self._path, kind, self._seal):
            self.cells[cell.key] = cell
        if self._path.exists():  # a line that a kill cut short is dropped, so that the next begins on its own
            self._write_cells(list(self.cells.values()))

    def sort(self) -> None:
        """Write the lines in the order of their keys, so that finished studies are equal to the last bit."""
        if self._folder is not None:
            self._write_cells([self.cells[key] for key in sorted(self.cells)])

    def _write_cells(self, cells: list[C]) -> None:
        write_atomically(self._path, "".join(sealed(cell.to_line(), self._seal) for cell in cells).encode())

    def remember(self, **facts: Any) -> None:
        """Keep something that a continued study must not find out anew."""
        with self._lock:
            self.facts |= facts
            self._write_about()

    def _write_about(self) -> None:
        if self._folder is not None:
            text = to_json({"settings": self._settings, "facts": self.facts}, indent=2)
            write_atomically(self._folder / "journal.json", text.encode(), "out")

    def finished(self) -> list[C]:
        """Return the cells so far: a list of its own, since other threads add to the journal meanwhile."""
        with self._lock:
            return list(self.cells.values())

    def add(self, cells: Iterable[C]) -> None:
        """Append finished cells at once."""
        with self._lock:
            new = list(cells)
            self.cells |= {cell.key: cell for cell in new}
            if self._folder is None:
                return
            with (
                output_errors(
                    f"out {str(self._folder)!r}",
                    "writable during the whole study",
                    "make room and give the same command again; finished cells are kept",
                ),
                self._path.open("a", encoding="utf-8") as file,
            ):
                file.write("".join(sealed(cell.to_line(), self._seal) for cell in new))


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        with output_errors(f"out {str(path.parent)!r}", "a folder that can be read and written"):
            known: dict[str, Any] | None = json.loads(path.read_bytes()) if path.exists() else None
        return known
    except ValueError as problem:
        raise DataError(
            f"{path}", expected="the journal of a study", got=str(problem), fix="choose another folder"
        ) from problem


CHECKSUM = ', "checksum": "'


def sealed(line: str, seal: str) -> str:
    """Return a line of JSON with a checksum of it and of the seal as its last value."""
    body = line.rstrip()[:-1]
    return f'{body}{CHECKSUM}{_checksum(body, seal)}"}}\n'


def _checksum(body: str, seal: str) -> str:
    return hashlib.sha256(f"{seal}\n{body}".encode()).hexdigest()[:16]


def _read_cells(path: Path, kind: type[C], seal: str) -> Iterable[C]:
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    for position, line in enumerate(lines):
        try:
            values = json.loads(line)
            body, _, _ = line.rpartition(CHECKSUM)
            if values.pop("checksum") != _checksum(body, seal):
                raise KeyError("checksum")  # the line was changed
            yield kind.from_dict(values)
        except (ValueError, KeyError, TypeError) as problem:
            cut_short = position == len(lines) - 1 and not line.endswith("}")
            if not cut_short:
                fix = "delete the line, or choose another folder"
                raise DataError(
                    f"{path}, line {position + 1}", expected="a finished cell", got=line[:60], fix=fix
                ) from problem
