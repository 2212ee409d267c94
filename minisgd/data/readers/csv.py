"""Read CSV tables with a header."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.data.readers.columns import as_target, target_column
from minisgd.data.readers.reader import TableReader, existing
from minisgd.errors import DataError
from minisgd.typing import HostArray

_BLOCK = 4096  # rows turned into numbers together: text takes ten times the memory of numbers
_MISSING = {"", "?", "na", "n/a", "nan", "null"}


def read_csv(path: str | Path, target: str | None = None) -> tuple[HostArray, HostArray, str]:
    """Return features (N, F) float64, targets (N,) and the name of the target column.

    The target is the column named, or else the one called label, target, class or y, or else the last. Text makes
    labels; integers make labels where they are few (see columns.as_target), otherwise numbers for regression; so
    do decimals. Every other column is a numeric feature.

    Raises:
        DataError: For a missing value, a cell that is no number, or a row of another length; names the line and the
            column.
        ArgumentError: For a target that no column is called.
    """
    path = existing(Path(path))
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return _read(csv.reader(stream, skipinitialspace=True, strict=True), path, target)
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise DataError(
            str(path), expected="a readable CSV table in UTF-8", got=str(error), fix="export it again as CSV in UTF-8"
        ) from error


def _read(reader: Any, path: Path, target: str | None) -> tuple[HostArray, HostArray, str]:
    """Read through a csv.reader, whose class has no public name."""
    names: list[str] = [name.strip() for name in next(reader, [])]
    _check_header(names, path)
    aim = target_column(names, target, str(path))
    features = names[:aim] + names[aim + 1 :]
    blocks: list[HostArray] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    targets: list[str] = []
    for row in reader:
        if not row:  # an empty line
            continue
        if len(row) != len(names):
            raise DataError(
                f"{path}, line {reader.line_num}",
                expected=f"{len(names)} cells like the header",
                got=len(row),
                fix="mend the line, or quote cells that hold commas",
            )
        targets.append(row.pop(aim).strip())
        lines.append(reader.line_num)
        rows.append(row)
        if len(rows) == _BLOCK:
            blocks.append(_numbers(rows, features, lines, path))
            rows = []
    if rows:
        blocks.append(_numbers(rows, features, lines, path))
    if not blocks:
        raise DataError(
            str(path), expected="a table with at least one row below the header", got="no rows", fix="add rows"
        )
    return np.concatenate(blocks), _targets(targets, names[aim], lines, path), names[aim]


def _check_header(names: Sequence[str], path: Path) -> None:
    if not names:
        raise DataError(str(path), expected="a CSV table with a header", got="an empty file", fix="check the file")
    if all(_number(name) is not None for name in names):
        raise DataError(
            f"{path}, line 1",
            expected="a header that names the columns",
            got=", ".join(names[:5]),
            fix="add a first line like x1,x2,label",
        )


def _numbers(rows: list[list[str]], names: list[str], lines: list[int], path: Path) -> HostArray:
    """Return a block of cells (n, F) as float64; lines ends with the line numbers of these rows."""
    try:
        block = np.array(rows, dtype=np.float64)
        if np.isfinite(block).all():
            return block
    except ValueError:
        pass
    for row, line in zip(rows, lines[-len(rows) :], strict=True):
        for name, cell in zip(names, row, strict=True):
            number = _number(cell)
            if number is None or not math.isfinite(number):
                raise _bad_cell(cell, name, line, path)
    return block


def _targets(cells: list[str], name: str, lines: list[int], path: Path) -> HostArray:
    """Return the target column (N,): int64 labels, text labels or float64 numbers."""
    missing = next((i for i, cell in enumerate(cells) if cell.lower() in _MISSING), None)
    if missing is not None:
        raise _bad_cell(cells[missing], name, lines[missing], path)
    try:
        return as_target(np.array(cells).astype(np.int64))
    except (ValueError, OverflowError):
        pass
    numbers = [_number(cell) for cell in cells]
    wrong = [i for i, number in enumerate(numbers) if number is None or not math.isfinite(number)]
    if not wrong:
        return np.array(numbers, dtype=np.float64)
    if len(wrong) < len(cells) / 10:  # a slip among numbers, not a column of labels
        raise _bad_cell(cells[wrong[0]], name, lines[wrong[0]], path)
    return np.array(cells)


def _bad_cell(cell: str, name: str, line: int, path: Path) -> DataError:
    missing = cell.strip().lower() in _MISSING
    return DataError(
        f"{path}, line {line}, column {name!r}",
        expected="a finite number" if not missing else "filled in",
        got=repr(cell) + (", a missing value" if missing else ""),
        fix="fill it in or remove the row" if missing else "encode the column as numbers, or remove it",
    )


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


CSV = TableReader("FILE.csv", "a table with a header; the target is the last column, or `--target NAME`", read_csv)
