"""In which dialect a delimited file is written: separator, decimal mark, comments, header."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TextIO

from minisgd.data.tables.table import MISSING, require_distinct
from minisgd.errors import DataError

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
_SAMPLE, _LEAST, _CHARACTERS = 100, 10, 1 << 18  # lines looked at; fewer where they are long, but so many at least
MOST_COLUMNS = 1 << 17
"""Every column is decided on and reported by itself; what has more is an array."""
_WIDEST = 1 << 24  # characters of a line; a longer one is no table
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?%?")
_TOLD = re.compile("sep=(.)", re.IGNORECASE)
_DECIMAL_COMMA, _DECIMAL_POINT = re.compile(r"[+-]?\d*,\d+"), re.compile(r"[+-]?\d*\.\d+")


@dataclass(frozen=True)
class Dialect:
    """How to read a file: its names, and the number of lines before the first row."""

    separator: str
    decimal: str
    comments: bool
    names: tuple[str, ...]
    skipped: int
    notes: tuple[str, ...]


def is_zipped(path: Path) -> bool:
    """Tell whether the first bytes of a file are those of gzip."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def open_text(path: Path, *, comments: bool = False) -> TextIO:
    """Open a file as UTF-8 text without its byte order mark, through gzip where its first bytes say so."""
    binary = gzip.open(path, "rb") if is_zipped(path) else path.open("rb")
    text = io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")
    return _WithoutComments(text) if comments else text  # type: ignore[return-value]


ENUMERATED = 4
"""Columns from which on a first line of 0, 1, 2, … is read as their names: data seldom count so far."""


def dialect_of(path: Path, header: bool | None = None) -> Dialect:
    """Look at the first lines of a file and tell its dialect.

    header: whether line 1 names the columns; by default it must, and is refused where it looks like data.

    Raises:
        DataError: For an empty file, for one that is not text, and for a first line that looks like data.
    """
    with open_text(path) as stream:
        lines = list(_lines(stream, path))
    plain = [line for line in lines if not line.startswith("#")]
    if not any(line.strip() for line in plain):
        raise DataError(str(path), expected="a table with a header", got="an empty file", fix="check the file")
    comments = len(plain) < len(lines)
    told = _TOLD.fullmatch(plain[0].strip())  # as Excel writes it above the header
    plain = plain[1:] if told else plain
    separator = told[1] if told and told[1] in _SEPARATORS else _separator(plain)
    cut_lines = list(cut(plain, separator))
    rows = [row for _, row in cut_lines]
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if len(first) > MOST_COLUMNS:
        raise DataError(
            str(path), expected=f"a table of at most {MOST_COLUMNS:,} columns", got=f"{len(first):,}",
            fix="save it as x.npy,y.npy",
        )  # fmt: skip
    decimal = "," if separator != "," and _has_decimal_commas(rest or rows) else "."
    commented = _commented_header(lines, separator, rows) if header is None else []
    if header is None and not commented and not (first[0] == "" and _is_index(rest)):
        _require_header(first, rest, path)
    named = header is not False and not commented
    if named and rest and all(len(row) == len(first) + 1 for row in rest):
        first = ["", *first]  # as R writes tables with row names
    names = tuple(name or f"Unnamed: {i}" for i, name in enumerate(first))
    if not named:
        names = tuple(commented or (f"column{i}" for i in range(1, len(first) + 1)))
    require_distinct(names, str(path))
    notes = [f"separated by {_SEPARATORS[separator]}"] if separator != "," else []
    notes += ["decimal comma"] if decimal == "," else []
    notes += ["lines that begin with # left out"] if comments else []
    notes += [] if named or commented else ["no header: columns are called column1, column2, …"]
    skipped = (told is not None) + (cut_lines[0][0] if named else 0)
    return Dialect(separator, decimal, comments, names, skipped, tuple(notes))


def cut(lines: Iterable[str], separator: str, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Cut lines into rows of cells, each with the number of its last line; empty lines are left out."""
    lines = (line.strip() for line in lines) if separator == " " else lines
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=strict)
    return ((reader.line_num, row) for row in reader if row)


def number(cell: str, decimal: str = ".") -> float | None:
    """Return the number that a cell holds, or None."""
    try:
        return None if "_" in cell else float(cell.replace(decimal, ".") if decimal != "." else cell)
    except ValueError:
        return None


def _lines(stream: TextIO, path: Path) -> Iterator[str]:
    seen = 0
    for number in range(_SAMPLE):
        if number >= _LEAST and seen > _CHARACTERS:
            return
        line = stream.readline(_WIDEST)
        seen += len(line)
        if len(line) == _WIDEST:
            raise DataError(
                str(path), expected="lines of a table", got=f"a line of {_WIDEST:,} characters", fix="check the file"
            )
        if not line:
            return
        if "\0" in line:
            raise DataError(str(path), expected="a table as text", got="a file with zero bytes", fix="export it as CSV")
        yield line


def _separator(lines: Sequence[str]) -> str:
    """Return the separator that cuts most lines into the same number of cells, two at least."""

    def merit(separator: str) -> tuple[int, int]:
        try:
            counts = Counter(len(row) for _, row in cut(lines, separator))
        except csv.Error:  # cells beyond all measure: not the separator
            return 0, 0
        cells, times = max(counts.items(), key=lambda item: (item[1], item[0]))
        return (times, cells) if cells > 1 else (0, 0)

    best = max((separator for separator in _SEPARATORS if separator != " "), key=merit)
    # spaces stand in cells too: they separate only where nothing else does, and every line alike
    return " " if merit(best) == (0, 0) and merit(" ")[0] == sum(map(bool, map(str.strip, lines))) else best


def _has_decimal_commas(rows: Sequence[Sequence[str]]) -> bool:
    cells = [cell.strip() for row in rows for cell in row]
    commas = sum(_DECIMAL_COMMA.fullmatch(cell) is not None for cell in cells)
    return commas > sum(_DECIMAL_POINT.fullmatch(cell) is not None for cell in cells)


def _require_header(first: Sequence[str], rest: Sequence[Sequence[str]], path: Path) -> None:
    """Refuse a first line that looks like data, even in part: numbers above numbers, or cells that come again below."""
    below = list(zip(*rest, strict=False)) if rest else [()] * len(first)
    numbers = [
        cell
        for cell, column in zip(first, below, strict=False)
        if _NUMBER.fullmatch(cell) and (not column or sum(map(_is_data, column)) > len(column) / 2)
    ]
    again = [cell for cell, column in zip(first, below, strict=False) if cell and cell in {c.strip() for c in column}]
    counted = [cell for cell in first if _NUMBER.fullmatch(cell)]
    if len(counted) >= ENUMERATED and counted == [str(k) for k in range(len(counted))]:
        return  # columns that have numbers for names, as data frames write those of an array
    reason = ""
    if numbers:
        reason = f"{len(numbers)} of {len(first)} cells are numbers"
    elif 2 * len(again) > len(first):
        reason = f"{len(again)} of {len(first)} cells come again below"
    if reason:
        raise DataError(
            f"{path}, line 1",
            expected="a header that names the columns",
            got=f"{', '.join(first[:5])}, which looks like data: {reason}",
            fix="add a first line like x1,x2,label, or say header=False if it is data, header=True if it names columns",
        )


def _commented_header(lines: Sequence[str], separator: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the names in a line above the rows that begins with #, as numpy.savetxt writes it, over numbers alone."""
    if not lines[0].startswith("#") or not all(map(_is_data, rows[0])):
        return []
    above = list(takewhile(lambda line: line.startswith("#"), lines))
    names = [cell.strip() for _, row in cut([above[-1].lstrip("# ")], separator) for cell in row]
    return names if len(names) == len(rows[0]) and not any(map(_is_data, names)) else []


def _is_index(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first cells number or name the rows; then line 1, if it has none, is the header."""
    cells = [row[0].strip() for row in rows]
    return len(set(cells)) == len(cells) and "" not in cells


def _is_data(cell: str) -> bool:
    cell = cell.strip()
    return _NUMBER.fullmatch(cell) is not None or cell.lower() in MISSING


class _WithoutComments(io.TextIOBase):
    """A text file without the lines that begin with #."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._rest = stream, ""

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        return (line for line in self._stream if not line.startswith("#"))

    def read(self, size: int | None = -1) -> str:
        parts, length = [self._rest], len(self._rest)
        for line in self:
            parts.append(line)
            length += len(line)
            if size is not None and 0 <= size <= length:
                break
        text = "".join(parts)
        cut = len(text) if size is None or size < 0 else size
        self._rest = text[cut:]
        return text[:cut]

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()
