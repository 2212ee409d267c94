"""A column of a table in the kind that a rule asks for: as text, or as numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np

from minisgd.data.tables.columns import TRUTH
from minisgd.data.tables.table import Table, Text
from minisgd.errors import DataError
from minisgd.typing import HostArray

_DAY, _EPOCH = np.timedelta64(1, "D"), np.datetime64("1970-01-01")


def as_text(table: Table, name: str) -> Text:
    """Return any column as text, numbers as they would be typed."""
    if name in table.text:
        return table.text[name]
    if name in table.dates:
        return Text.of([None if np.isnat(day) else str(day) for day in table.dates[name]])
    column = table.number(name)
    values, codes = np.unique(column, return_inverse=True)
    written = [str(bool(value)) if name in table.booleans else as_typed(value) for value in values]
    return Text(np.where(np.isnan(column), -1, codes).astype(np.int32), tuple(written))


def as_typed(value: float) -> str:
    """Return a number as it would be typed: 3, not 3.0."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def as_numbers(table: Table, name: str, kind: str, written: str = "") -> HostArray:
    """Return a column (N,) as float64: dates as days since 1970, true as 1, NaN for gaps.

    written: the format of dates as text

    Raises:
        DataError: For a cell that is nothing of the kind.
    """
    if name in table.place:
        return table.number(name)
    if name in table.dates:
        if kind != "date":
            raise _unlike(table, name, kind, written, "dates")
        days: HostArray = np.where(np.isnat(table.dates[name]), np.nan, (table.dates[name] - _EPOCH) / _DAY)
        return days
    column, read = table.text[name], _reader(kind, written)
    numbers = np.full(len(column.values) + 1, np.nan)
    for code, value in enumerate(column.values):
        try:
            numbers[code] = read(value)
        except (ValueError, KeyError):
            raise _unlike(table, name, kind, written, repr(value)) from None
    return numbers[column.codes]


def _reader(kind: str, written: str) -> Callable[[str], float]:
    def date(value: str) -> float:
        if written:
            return (datetime.strptime(value, written) - datetime(1970, 1, 1)).total_seconds() / 86400
        return float((np.datetime64(value) - _EPOCH) / _DAY)

    return {"boolean": lambda value: TRUTH[value.lower()], "date": date}.get(kind, float)


def _unlike(table: Table, name: str, kind: str, written: str, got: str) -> DataError:
    words = {"number": "numbers", "boolean": "true or false", "date": f"dates written {written or '%Y-%m-%d'}"}
    return DataError(
        f"{table.source}: column {name!r}",
        expected=f"{words[kind]}, as in training",
        got=got,
        fix="correct the cell, or leave it empty",
    )
