"""What every reader of tables returns: numbers in one block, text as codes, dates as dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from minisgd.errors import DataError
from minisgd.typing import HostArray

MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat"})
"""Cells, in lower case, that stand for a value that is not there."""


@dataclass(frozen=True, eq=False)
class Text:
    """A column of text: codes (N,) int32 into the distinct values, −1 where one is missing."""

    codes: HostArray
    values: tuple[str, ...]

    @classmethod
    def of(cls, cells: Sequence[Any]) -> Text:
        """Number the distinct values of a column of cells in the order in which they come."""
        number: dict[str, int] = {}
        codes = np.empty(len(cells), dtype=np.int32)
        for row, cell in enumerate(cells):
            cell = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell
            value = "" if cell is None else str(cell).strip()
            codes[row] = -1 if value.lower() in MISSING else number.setdefault(value, len(number))
        return cls(codes, tuple(number))

    @classmethod
    def coded(cls, codes: HostArray, values: Sequence[Any]) -> Text:
        """Return codes (N,) into any values, which may come again or stand for nothing, as a column of text."""
        own = cls.of(values)
        return cls(np.append(own.codes, np.int32(-1))[codes], own.values)

    def __len__(self) -> int:
        """N, the number of rows."""
        return len(self.codes)

    def strings(self) -> HostArray:
        """Return the column as strings (N,), "" where a value is missing."""
        strings: HostArray = np.array([*self.values, ""], dtype=np.str_)[self.codes]
        return strings


@dataclass(frozen=True, eq=False)
class Table:
    """N rows of named columns.

    numbers (N, K) float64 holds the columns that ``numeric`` names, NaN where a value is missing. text and dates hold
    the others by name, dates (N,) datetime64 with NaT where missing. ``names`` has all of them in their order.

    Raises:
        DataError: Where there is no row, or two columns have one name.
    """

    source: str
    names: tuple[str, ...]
    numbers: HostArray
    numeric: tuple[str, ...]
    text: Mapping[str, Text] = field(default_factory=dict)
    dates: Mapping[str, HostArray] = field(default_factory=dict)
    booleans: frozenset[str] = frozenset()
    """Which of the numbers were true and false, now 1 and 0."""
    notes: tuple[str, ...] = ()
    """What was noticed while reading: another separator, a decimal comma, no header."""

    def __post_init__(self) -> None:
        require_distinct(self.names, self.source)
        if not len(self):
            raise DataError(self.source, expected="a table with at least one row", got="no rows", fix="add rows")

    @classmethod
    def of(cls, source: str, columns: Mapping[str, Any], notes: tuple[str, ...] = ()) -> Table:
        """Sort columns, array-likes (N,) or Text by name, by what they hold.

        Raises:
            DataError: For columns of unequal length and for cells that are no numbers, text, booleans or dates.
        """
        text = {str(name): values for name, values in columns.items() if isinstance(values, Text)}
        arrays = {
            str(name): _plain(f"{source}: column {name!r}", values)
            for name, values in columns.items()
            if not isinstance(values, Text)
        }
        lengths = {name: len(values) for name, values in (arrays | text).items()}
        if len(set(lengths.values())) > 1:
            raise DataError(source, expected="columns of equal length", got=lengths, fix="pass a cell per row")
        n = next(iter(lengths.values()), 0)
        numeric = tuple(name for name, values in arrays.items() if values.dtype.kind in "biuf")
        numbers = np.empty((n, len(numeric)), dtype=np.float64)
        for place, name in enumerate(numeric):
            numbers[:, place] = arrays[name]
        return cls(
            source,
            tuple(map(str, columns)),
            numbers,
            numeric,
            text=text | {name: Text.of(values.tolist()) for name, values in arrays.items() if values.dtype.kind == "O"},
            dates={name: values for name, values in arrays.items() if values.dtype.kind == "M"},
            booleans=frozenset(name for name, values in arrays.items() if values.dtype.kind == "b"),
            notes=notes,
        )

    def __len__(self) -> int:
        """N, the number of rows."""
        return len(self.numbers)

    @cached_property
    def place(self) -> Mapping[str, int]:
        """The numeric columns by name, each with its place in the block of numbers."""
        return {name: k for k, name in enumerate(self.numeric)}

    def number(self, name: str) -> HostArray:
        """Return a numeric column (N,), a view."""
        column: HostArray = self.numbers[:, self.place[name]]
        return column

    def missing(self, name: str) -> HostArray:
        """Return where a column has no value, a mask (N,)."""
        if name in self.text:
            return self.text[name].codes < 0
        return np.isnat(self.dates[name]) if name in self.dates else np.isnan(self.number(name))

    def take(self, rows: HostArray) -> Table:
        """Return a table of these rows, by number or mask; copies."""
        text = {name: Text(column.codes[rows], column.values) for name, column in self.text.items()}
        dates = {name: column[rows] for name, column in self.dates.items()}
        return replace(self, numbers=self.numbers[rows], text=text, dates=dates)


def require_distinct(names: Sequence[str], source: str) -> None:
    """Refuse two columns of one name."""
    if len(set(names)) < len(names):
        seen: set[str] = set()
        for number, name in enumerate(names, start=1):
            if name in seen:
                raise DataError(
                    f"{source}: column {number}",
                    expected="named unlike the others",
                    got=repr(name),
                    fix="rename it in the header",
                )
            seen.add(name)


def _plain(where: str, values: Any) -> HostArray:
    """Return a column (N,) as numbers, booleans, dates, or objects that stand for text."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(
            where, expected="one cell per row", got=f"shape {array.shape}", fix="split it into columns of one value"
        )
    if array.dtype.kind in "biufM":
        return array
    if array.dtype.kind == "m":
        return array / np.timedelta64(1, "s")
    if array.dtype.kind in "UT":
        return array.astype(object)
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace").astype(object)
    if array.dtype.kind != "O":
        raise DataError(where, expected="numbers, text or dates", got=f"dtype {array.dtype}", fix="convert the column")
    return _from_objects(where, array)


def _from_objects(where: str, cells: HostArray) -> HostArray:
    """Return a column of Python objects as booleans, numbers or dates where all that are there are such."""
    nested = next((cell for cell in cells if isinstance(cell, (list, tuple, dict, set, np.ndarray))), None)
    if nested is not None:
        raise DataError(
            where, expected="one value per cell", got=f"a {type(nested).__name__}", fix="split it into columns"
        )
    missing = np.array([cell is None or str(cell) in ("nan", "<NA>", "NaT") for cell in cells], dtype=bool)
    present = np.array([_in_utc(cell) for cell in cells[~missing]], dtype=object)
    kinds = {type(cell) for cell in present}
    if kinds and kinds <= {bool, np.bool_} and not missing.any():
        return cells.astype(bool)
    if not any(issubclass(kind, str) for kind in kinds):
        for dtype, gap in ((np.float64, np.nan), ("datetime64[ms]", "NaT")):
            try:
                converted = np.full(len(cells), gap, dtype=dtype)
                converted[~missing] = present.astype(dtype)
                return converted
            except (TypeError, ValueError):
                continue
    text = cells.copy()
    text[missing] = None
    return text


def _in_utc(cell: Any) -> Any:
    """Return a time with a zone as one in UTC without, and anything else as it is."""
    return cell.astimezone(UTC).replace(tzinfo=None) if isinstance(cell, datetime) and cell.tzinfo else cell
