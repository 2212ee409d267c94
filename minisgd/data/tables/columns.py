"""What every column of a table is: decided by stated rules, each decision with its reason and how to say otherwise."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from typing import Literal, TypeAlias

import numpy as np

from minisgd.checks import require_one_of
from minisgd.data.tables.table import Table, Text
from minisgd.errors import ArgumentError, DataError
from minisgd.typing import HostArray

Kind: TypeAlias = Literal["number", "boolean", "category", "date", "text", "dropped", "target"]

MOST_LEVELS = 20
"""Categories beyond so many are joined into one, the rarest first."""
RARE = 0.01
"""A category with a smaller share of the training rows is joined with the other rare ones."""
IDENTIFIERS = 0.5
"""Text of which more than this share of rows is distinct, beyond MOST_LEVELS, is a name or prose, not a category."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_AMOUNT = re.compile(r"[+-]?\W{0,2}\d[\d.,'’\s]*\W?[^\W\d]{0,3}")
_UNNAMED = re.compile(r"unnamed: \d+|rownames|index|rowid|row|id|obs|observation|no|nr")
TRUTH = dict.fromkeys(("true", "t", "yes", "y"), 1.0) | dict.fromkeys(("false", "f", "no", "n"), 0.0)
"""What texts of booleans, in lower case, stand for."""

_FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y/%m/%d %H:%M",
    "%d.%m.%Y", "%d.%m.%Y %H:%M", "%m/%d/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y", "%d/%m/%Y %H:%M", "%b %d %Y", "%d %b %Y",
    "%Y-%m", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S", "%d.%m.%y", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%y",
    "%d/%m/%Y %H:%M:%S", "%d/%m/%y", "%d-%m-%Y", "%d-%b-%Y", "%B %d, %Y", "%d %B %Y",
)  # fmt: skip


@dataclass(frozen=True)
class TableOptions:
    """What a user may say about the columns of a table.

    drop: columns to leave out   categorical: numbers that are categories, or text to be kept as such
    missing: "impute" the training mean and add an indicator, "drop" the rows, or "refuse"
    keep_index: keep columns that only number or name the rows   standardize: numbers to mean 0 and standard deviation 1
    text: the column whose words are the features, and no other column
    """

    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    missing: Literal["impute", "drop", "refuse"] = "impute"
    keep_index: bool = False
    standardize: bool = True
    text: str | None = None

    def __post_init__(self) -> None:
        require_one_of(self.missing, ("impute", "drop", "refuse"), "missing")


@dataclass(frozen=True)
class Decision:
    """What one column is taken for, why, and the option that says otherwise."""

    column: str
    kind: Kind
    reason: str
    option: str = ""
    detail: str = ""
    """The format of dates."""


def decide(table: Table, rows: HostArray, target: Sequence[str], options: TableOptions) -> list[Decision]:
    """Decide what every column but the target is, by the training rows alone.

    rows: the numbers of the training rows

    Raises:
        ArgumentError: For an option that names no column.
        DataError: Where no feature is left.
    """
    for argument, names in (("drop", options.drop), ("categorical", options.categorical)):
        require_columns(names, table, argument)
    low, high, gaps = _ranges(table, rows)
    decisions = []
    for position, name in enumerate(table.names):
        if name in target:
            continue
        if name in options.drop:
            decision = Decision(name, "dropped", "you said so", "--drop")
        elif name in options.categorical:
            decision = Decision(name, "category", "you said so", "--categorical")
        elif name in table.place:
            k = table.place[name]
            decision = _number(table, name, position, rows, (low[k], high[k], int(gaps[k])), options)
        elif name in table.dates:
            decision = Decision(name, "date", "dates, as days", _typed("--drop", name))
        else:
            decision = _text(table.text[name], name, rows, options)
        decisions.append(decision)
    if all(decision.kind == "dropped" for decision in decisions):
        if not options.keep_index and any(decision.option == "--keep-index" for decision in decisions):
            return decide(table, rows, target, replace(options, keep_index=True))  # it is all there is
        raise DataError(
            table.source,
            expected="at least one column to learn from",
            got="; ".join(f"{d.column!r} left out: {d.reason}" for d in decisions) or "the target alone",
            fix="add feature columns, write plain numbers, or keep one with keep_index=True (--keep-index), "
            "categorical (--categorical) or, for its words, text (--text)",
        )
    return decisions


def require_columns(names: Iterable[str], table: Table, argument: str) -> None:
    """Refuse names that no column has."""
    for name in names:
        if name not in table.names:
            near = get_close_matches(name, table.names, n=1, cutoff=0.5)
            raise ArgumentError(
                argument,
                expected=f"a column of {table.source}",
                got=repr(name),
                fix=f"did you mean {near[0]!r}?" if near else f"choose among {listed(table.names)}",
            )


def require_trained_columns(names: Sequence[str], table: Table) -> None:
    """Refuse a table without all columns that a model was trained on.

    Raises:
        DataError: With the names of those that are missing.
    """
    there = set(table.names)
    absent = [name for name in names if name not in there]
    if absent:
        columns = "column" if len(names) == 1 else f"{len(names)} columns"
        raise DataError(
            table.source,
            expected=f"a table with the {columns} that the model was trained on, in any order",
            got=f"none called {listed(absent)}",
            fix=f"add what is missing; the columns are {listed(table.names)}",
        )


def listed(names: Sequence[str]) -> str:
    """Return names in one line, the first ten."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _ranges(table: Table, rows: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """Return minimum, maximum and number of gaps of every numeric column over the training rows, (K,) each."""
    k = len(table.numeric)
    low, high, gaps = np.full(k, np.inf), np.full(k, -np.inf), np.zeros(k, dtype=np.int64)
    for some in blocks(rows, k):
        block = table.numbers[some]
        gone = np.isnan(block)
        gaps += gone.sum(axis=0)
        np.minimum(low, np.where(gone, np.inf, block).min(axis=0), out=low)
        np.maximum(high, np.where(gone, -np.inf, block).max(axis=0), out=high)
    for name, bad in zip(table.numeric, (np.isinf(low) | np.isinf(high)) & (gaps < len(rows)), strict=True):
        if bad:
            column = table.number(name)
            row = int(np.isinf(column).argmax())
            raise DataError(
                f"{table.source}: column {name!r}",
                expected="finite numbers",
                got=f"{column[row]} in row {row + 1}",
                fix="replace the value, or leave the column out with drop (--drop)",
            )
    return low, high, gaps


def blocks(rows: HostArray, width: int) -> Iterable[HostArray]:
    """Cut row numbers so that a block of all columns stays small."""
    step = max(1, (1 << 20) // max(1, width))
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _number(
    table: Table, name: str, position: int, rows: HostArray, found: tuple[float, float, int], options: TableOptions
) -> Decision:
    low, high, gaps = found
    if gaps == len(rows):
        return Decision(name, "dropped", "no values at all")
    if low == high and not gaps:
        return Decision(name, "dropped", f"always {low:g}")
    if not options.keep_index and not gaps and low in (0, 1) and _numbers_rows(table, name, position, high - low):
        return Decision(name, "dropped", "numbers the rows", "--keep-index")
    if name in table.booleans:
        return Decision(name, "boolean", "true or false" + _gaps(gaps), _typed("--drop", name))
    return Decision(name, "number", f"{low:g} to {high:g}{_gaps(gaps)}", _typed("--categorical", name))


def _numbers_rows(table: Table, name: str, position: int, span: float) -> bool:
    """Tell whether a column counts the rows: 0, 1, 2, … or 1, 2, 3, …, unnamed, first, or with a name that says so."""
    if len(table) < 3 or (position > 0 and not _UNNAMED.fullmatch(name.strip().lower())):
        return False
    return bool(span <= len(table) and (np.diff(table.number(name)) == 1).all())


def _text(column: Text, name: str, rows: HostArray, options: TableOptions) -> Decision:
    codes = column.codes[rows]
    counts = np.bincount(codes[codes >= 0], minlength=len(column.values))
    distinct, gaps = int((counts > 0).sum()), int((codes < 0).sum())
    if not distinct:
        return Decision(name, "dropped", "no values at all")
    values = [value for value, count in zip(column.values, counts, strict=True) if count]
    if distinct == 1 and not gaps:
        return Decision(name, "dropped", f"always {values[0]!r}")
    if distinct <= 2 and {value.lower() for value in values} <= TRUTH.keys():
        return Decision(name, "boolean", f"{' or '.join(sorted(values))}{_gaps(gaps)}", _typed("--categorical", name))
    if written := date_format(values):
        return Decision(
            name, "date", f"dates written {written}, as days{_gaps(gaps)}", _typed("--categorical", name), written
        )
    first = re.fullmatch(r"unnamed: 0|rownames", name.strip().lower())
    if first and not options.keep_index and distinct + gaps == len(rows):
        return Decision(name, "dropped", "names the rows", "--keep-index")
    odd, where = unlike_a_number(column.values), ""
    if distinct > 2 and not _NUMBER.fullmatch(odd) and 2 * sum(map(_is_amount, values)) > distinct:
        where = f" in row {int((column.codes == column.values.index(odd)).argmax()) + 1:,}, which is no plain number"
    if distinct > MOST_LEVELS and distinct > IDENTIFIERS * (len(rows) - gaps):
        reason = f"{distinct} different texts in {len(rows)} rows, such as {odd!r}{where}"
        prose = sum(value.count(" ") for value in values) >= 3 * distinct
        return Decision(name, "dropped", reason, _typed("--text" if prose else "--categorical", name))
    reason = f"{distinct} different texts{_gaps(gaps)}" + (where and f", such as {odd!r}{where}")
    return Decision(name, "category", reason, _typed("--drop", name))


def unlike_a_number(values: Sequence[str]) -> str:
    """Return the first text that is no number, which may be all that keeps a column from being one."""
    return next((value for value in values if not _NUMBER.fullmatch(value)), values[0])


def _is_amount(value: str) -> bool:
    """Tell whether a text is a number, perhaps with signs, a unit or separated thousands: $1,200, 12.5 %, 3'000 g."""
    return _AMOUNT.fullmatch(value) is not None


def _typed(option: str, name: str) -> str:
    """Write an option for a column as it is typed: in quotes for the shell, and for the list where it has a comma."""
    listed = f'"{name}"' if "," in name else name
    return f"{option} {shlex.quote(listed)}"


def date_format(values: Sequence[str]) -> str:
    """Return the format in which all texts are dates, or "" where there is none."""
    return next((written for written in _FORMATS if all(_fits(value, written) for value in values)), "")


def _fits(value: str, written: str) -> bool:
    try:
        datetime.strptime(value, written)
    except ValueError:
        return False
    return True


def _gaps(gaps: int) -> str:
    return f", {gaps:,} missing" if gaps else ""
