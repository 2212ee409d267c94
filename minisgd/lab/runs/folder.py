"""The files of a folder that ``minisgd study`` or ``minisgd train`` wrote or is writing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minisgd.errors import DataError
from minisgd.files import holder_of

Document = dict[str, Any]


@dataclass(frozen=True)
class Folder:
    """A study or a training run in its folder.

    kind: "study" or "training"   about: study.json, train.json, or journal.json of a study that is not finished
    lines: of history.jsonl or cells.jsonl   finished: whether nobody is at work in the folder any more
    """

    path: Path
    kind: str
    about: Document
    lines: list[Document]
    finished: bool

    @property
    def complete(self) -> bool:
        """Whether the result of a study or training run is there."""
        return "recommendation" in self.about or self.about.get("stopped") is not None


def read_folder(path: str | Path) -> Folder:
    """Read what is in a folder.

    Raises:
        DataError: It is no folder of a study or training run, or a file cannot be read.
    """
    path = Path(path)
    claims = any((path / name).exists() for name in ("claims.json", "training-runs"))
    for kind, name, lines in (
        ("study", "study.json", "cells.jsonl"),
        ("training", "train.json", "history.jsonl"),
        ("study", "journal.json", "cells.jsonl"),
    ):
        if name == "study.json" and _newer(path / lines, path / name) and holder_of(path) is not None:
            continue  # the study goes on, or is made anew
        if (path / name).is_file() and not (claims and name == "journal.json"):
            about = _parsed(path / name, json.loads)
            working = holder_of(path) is not None
            return Folder(path, kind, about, _parsed(path / lines, _lines), not working)
    raise DataError(
        f"{str(path)!r}",
        expected="the folder of --out of 'minisgd study' or 'minisgd train'",
        got="that of 'minisgd claims'" if claims else "no study.json, train.json or journal.json there",
        fix="give a folder that one of them wrote",
    )


def _newer(one: Path, other: Path) -> bool:
    return one.exists() and (not other.exists() or one.stat().st_mtime > other.stat().st_mtime)


def _parsed(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(path.read_text("utf-8")) if path.exists() else []
    except (OSError, ValueError, RecursionError) as problem:
        raise DataError(f"{path}", expected="JSON", got=str(problem), fix="choose another folder") from problem


def _lines(text: str) -> list[Document]:
    """Parse the lines that are complete: the last one may just be written."""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def number(value: Any) -> float:
    """Return a number of a JSON document, in which what was never reached is null."""
    return float("inf") if value is None else float(value)
