"""Read CSV and its relatives: by pandas where it is installed, else by Python's csv module, to the same table."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from importlib import import_module
from math import prod
from mmap import mmap
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from minisgd.data.readers.reader import TableReader, existing, refusing, require_room, room
from minisgd.data.tables.dialect import Dialect, cut, dialect_of, is_zipped, number, open_text
from minisgd.data.tables.table import MISSING, Table, Text
from minisgd.errors import DataError
from minisgd.typing import HostArray, Shape

_CELLS = 1 << 21
"""Cells that are read together: what they take beside the table itself is bounded."""

_IN_UTF8 = "export it again as CSV in UTF-8 (in Excel: 'CSV UTF-8'), or convert it, as by iconv -f WINDOWS-1252"

_PIECE = 1 << 20  # bytes that are unzipped together

_MARKS = sorted({form for mark in MISSING - {""} for form in (mark, mark.upper(), mark.capitalize())} | {"NaN", "N/A"})


def read_csv(path: str | Path, header: bool | None = None) -> Table:
    """Return the table of a delimited file, plain or gzipped, in whichever dialect it is written.

    header: whether line 1 names the columns; by default it must, and is refused where it looks like data.

    Raises:
        DataError: Naming the line where the file cannot be read.
    """
    path = existing(Path(path))
    with refusing(path, "a readable CSV table in UTF-8", _IN_UTF8):
        if is_zipped(path):
            _require_room_for_text(path)
        dialect = dialect_of(path, header)
        try:
            pandas = import_module("pandas")
        except ImportError:
            return _read_plainly(path, dialect)
        return _read_by_pandas(pandas, path, dialect)


def _require_room_for_text(path: Path) -> None:
    """Unzip a file once without keeping anything, so that one of compressed nothing is refused before it is read."""
    size, most = 0, room(path)
    with gzip.open(path, "rb") as stream:
        while size <= most and (piece := stream.read(_PIECE)):
            size += len(piece)
    require_room(path, size, "text")


# ------------------------------------------------ with pandas


def _read_by_pandas(pandas: Any, path: Path, dialect: Dialect) -> Table:
    text: set[str] = set()
    while True:
        pieces = _Pieces(dialect.names, text)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pandas.errors.ParserWarning)  # lines that are too long
                for chunk in _chunks(pandas, path, dialect, text):
                    pieces.add(pandas, chunk)
        except (ValueError, OverflowError, pandas.errors.ParserWarning) as error:
            require_rectangular(path, dialect)
            raise DataError(
                str(path), expected="a readable CSV table", got=str(error).strip(), fix="export it again as CSV"
            ) from error
        if not pieces.mixed - text:
            break
        text |= pieces.mixed  # numbers in one piece and text in another: read again, all as text
    table = pieces.table(str(path), dialect.notes)
    # pandas fills short lines with missing values in silence
    if len(table.names) > 1 and table.missing(table.names[-1]).any():
        require_rectangular(path, dialect)
    return table


def _chunks(pandas: Any, path: Path, dialect: Dialect, text: set[str]) -> Iterator[Any]:
    with (
        open_text(path, comments=dialect.comments) as stream,
        pandas.read_csv(
            _below_the_header(stream, dialect),
            sep=r"\s+" if dialect.separator == " " else dialect.separator,
            decimal=dialect.decimal,
            header=None,
            names=list(dialect.names),
            index_col=False,
            dtype=dict.fromkeys(text, str),
            na_values=_MARKS,
            skipinitialspace=True,
            low_memory=False,
            chunksize=max(1, _CELLS // len(dialect.names)),
        ) as reader,
    ):
        yield from reader


def _below_the_header(stream: TextIO, dialect: Dialect) -> TextIO:
    for _ in range(dialect.skipped):
        next(iter(stream), "")
    return stream


class _Pieces:
    """Columns that grow piece by piece: numbers as blocks, text as codes into one numbering of values."""

    def __init__(self, names: tuple[str, ...], text: set[str]) -> None:
        self.names = names
        self.mixed: set[str] = set()
        self.blocks: list[tuple[list[str], HostArray]] = []
        self.booleans: dict[str, bool] = {}
        self.codes: dict[str, list[HostArray]] = {}
        self.values: dict[str, dict[str, int]] = {}
        self.rows = 0

    def add(self, pandas: Any, chunk: Any) -> None:
        kinds = [dtype.kind for dtype in chunk.dtypes]
        numeric = [name for name, kind in zip(self.names, kinds, strict=True) if kind in "biuf"]
        for name, kind in zip(self.names, kinds, strict=True):
            if kind not in "biuf":
                self._add_text(pandas, name, chunk[name])
            elif kind == "b":
                self.booleans.setdefault(name, True)
            elif name in self.booleans:
                self.booleans[name] = False
        empty = [name for name in numeric if name in self.codes]
        if empty and not chunk[empty].isna().all(axis=None):
            self.mixed |= {name for name in empty if not chunk[name].isna().all()}
        for name in empty:
            self.codes[name].append(np.full(len(chunk), -1, dtype=np.int32))
        numbers = chunk if len(numeric) == len(self.names) else chunk[numeric]
        block = _mapped(numbers.shape)
        block[...] = numbers.to_numpy(np.float64)
        self.blocks.append((numeric, block))
        self.rows += len(chunk)

    def _add_text(self, pandas: Any, name: str, column: Any) -> None:
        codes, values = pandas.factorize(column)
        if name not in self.codes:
            before = [(names, block) for names, block in self.blocks if name in names]
            if any(not np.isnan(block[:, names.index(name)]).all() for names, block in before):
                self.mixed.add(name)
            self.codes[name] = [np.full(len(block), -1, dtype=np.int32) for _, block in self.blocks]
            self.values[name] = {}
        number = self.values[name]
        own = [str(value).strip() for value in values]
        renumbered = [-1 if value.lower() in MISSING else number.setdefault(value, len(number)) for value in own]
        self.codes[name].append(np.array([*renumbered, -1], dtype=np.int32)[codes])

    def table(self, source: str, notes: tuple[str, ...]) -> Table:
        numeric = tuple(name for name in self.names if name not in self.codes)
        numbers = np.empty((self.rows, len(numeric)))
        start = 0
        while self.blocks:  # let go one by one, so that no two copies of all are there at once
            names, block = self.blocks.pop(0)
            chosen = block if tuple(names) == numeric else block[:, [names.index(name) for name in numeric]]
            numbers[start : start + len(block)] = chosen
            start += len(block)
        text = {name: Text(np.concatenate(codes), tuple(self.values[name])) for name, codes in self.codes.items()}
        booleans = frozenset(name for name, always in self.booleans.items() if always and name in numeric)
        return Table(source, self.names, numbers, numeric, text, booleans=booleans, notes=notes)


def _mapped(shape: Shape) -> HostArray:
    """Return an array in pages of its own: they go back to the system at once when it is let go."""
    size = 8 * prod(shape)
    return np.frombuffer(mmap(-1, size), dtype=np.float64).reshape(shape) if size else np.empty(shape)


# ------------------------------------------------ without


def _read_plainly(path: Path, dialect: Dialect) -> Table:
    rows = [row for _, row in _rows(path, dialect)]
    columns = {
        name: _column([row[place].strip() for row in rows], dialect.decimal) for place, name in enumerate(dialect.names)
    }
    return Table.of(str(path), columns, dialect.notes)


def _column(cells: list[str], decimal: str) -> HostArray:
    """Return a column of numbers with NaN for what is missing, or else of text."""
    numbers = [np.nan if cell.lower() in MISSING else number(cell, decimal) for cell in cells]
    if any(value is None for value in numbers):
        return np.array(cells, dtype=object)
    return np.array(numbers, dtype=np.float64)


def require_rectangular(path: Path, dialect: Dialect) -> None:
    """Refuse a file with a line of another length than the header."""
    for _ in _rows(path, dialect):
        pass


def _rows(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows below the header with their line numbers, comments not counted."""
    with open_text(path, comments=dialect.comments) as stream:
        for line, row in cut(stream, dialect.separator, strict=True):
            if line <= dialect.skipped:
                continue
            if len(row) != len(dialect.names):
                raise DataError(
                    f"{path}, line {line}",
                    expected=f"{len(dialect.names)} cells like the header",
                    got=len(row),
                    fix="mend the line, or quote cells that hold the separator",
                )
            yield line, row


_ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat")

CSV = TableReader(
    "FILE.csv",
    "a table with a header, cells separated by commas, semicolons, tabs, bars or spaces; also `.tsv`, `.txt`, `.data`, "
    "`.dat`, and each of them as `.gz`; the target is the last column, or `--target NAME`",
    read_csv,
    also=(*_ENDINGS, *(f"{ending}.gz" for ending in _ENDINGS)),
)
