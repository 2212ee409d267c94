"""What a table has to teach: its target found, the task guessed, and the rows that can be learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minisgd.checks import as_items, require_kind
from minisgd.data.tables.cells import as_text, as_typed
from minisgd.data.tables.columns import Decision, TableOptions, require_columns, unlike_a_number
from minisgd.data.tables.table import Table
from minisgd.data.target import Guess, Task, guess_task
from minisgd.errors import ArgumentError, DataError
from minisgd.typing import HostArray

_USUAL = ("label", "target", "class", "y")


@dataclass(frozen=True, eq=False)
class TableTarget:
    """The target columns of a table.

    y: label codes (N,) int64, or floats (N,) or (N, O); rows without a value hold −1 or NaN
    classes: the names of the codes   rows: the numbers of the rows that have a target
    """

    names: tuple[str, ...]
    guess: Guess
    y: HostArray
    classes: tuple[str, ...] | None
    rows: HostArray

    def decisions(self, n: int) -> list[Decision]:
        """Say what was decided about the target, of n rows."""
        gone = n - len(self.rows)
        left_out = f"; {gone:,} rows without it left out" if gone else ""
        reason = f"{self.guess.task}: {self.guess.reason}{left_out}"
        return [Decision(name, "target", reason, "--target, --task") for name in self.names]


def find_target(table: Table, target: str | Sequence[str] | None, task: Task | None) -> TableTarget:
    """Find the target: the columns named, or the one called label, target, class or y, or the last.

    task: how to read it, guessed by default

    Raises:
        ArgumentError: For a target that no column is called, or a task that it does not allow.
        DataError: For a target that nothing can be learned about.
    """
    names = _target_names(table, target)
    present = ~np.any([table.missing(name) for name in names], axis=0)
    rows = np.flatnonzero(present)
    if not len(rows):
        raise _useless(table, names, "with values", "no value in any row")
    if len(names) > 1:
        values = _numbers(table, names, task)
    elif names[0] in table.dates:
        raise _useless(table, names, "numbers or classes", "dates")
    elif names[0] in table.place and names[0] not in table.booleans:
        values = table.number(names[0])
    else:
        values = as_text(table, names[0]).strings()
    guess = guess_task(values[rows], names[0]) if task is None else Guess(task, "you said so")
    if guess.task == "classification":
        y, classes = _classes(table, names, values, rows)
        return TableTarget(names, guess, y, classes, rows)
    if values.dtype.kind not in "biuf":
        column = as_text(table, names[0])
        raise ArgumentError(
            "task",
            expected=f"'classification' for the text in column {names[0]!r}",
            got=f"{task!r}; {column.values[0]!r} is no number",
            fix="leave task (--task) out, or correct the column",
        )
    if not np.isfinite(values[rows]).all():
        raise _useless(table, names, "finite numbers", "infinity")
    if guess.task == "multilabel" and not np.isin(values[rows], (0, 1)).all():
        raise ArgumentError(
            "task",
            expected="'regression' for these columns",
            got="'multilabel'",
            fix="use it, or correct the values that are neither 0 nor 1",
        )
    if (values[rows] == values[rows[0]]).all():
        raise _useless(table, names, "numbers that vary", f"only {as_typed(float(values[rows].flat[0]))}")
    return TableTarget(names, guess, values.astype(np.float64), None, rows)


def _target_names(table: Table, target: str | Sequence[str] | None) -> tuple[str, ...]:
    if len(table.names) < 2:
        raise DataError(
            table.source,
            expected="at least two columns, features and target",
            got=f"{table.names[0]!r} alone" if table.names else "none",
            fix="add a target column; cells are separated by commas, semicolons, tabs, | or spaces",
        )
    lower = [name.strip().lower() for name in table.names]
    if target is None:
        return (table.names[next((lower.index(word) for word in _USUAL if word in lower), -1)],)
    named = "the name of a column, or several"
    wanted = [target] if isinstance(target, str) else as_items(target, "target", named, "write target='price'")
    if not wanted:
        raise ArgumentError("target", expected="one column or several", got="none", fix="name one, or leave it out")
    found = []
    for name in wanted:
        require_kind(name, str, "target", named, "write target='price'")
        near = name.strip().lower()
        if name not in table.names and near in lower:
            name = table.names[lower.index(near)]
        require_columns([name], table, "target")
        found.append(name)
    return tuple(found)


def _numbers(table: Table, names: Sequence[str], task: Task | None) -> HostArray:
    for name in names:
        if name not in table.place:
            raise DataError(
                f"{table.source}: column {name!r}",
                expected="numbers, as one of several target columns",
                got="text or dates",
                fix="name one target column, or encode this one",
            )
    return np.stack([table.number(name) for name in names], axis=1)


def _classes(
    table: Table, names: tuple[str, ...], values: HostArray, rows: HostArray
) -> tuple[HostArray, tuple[str, ...]]:
    """Return codes (N,), −1 without a value, and the names of the classes, numbers in their order."""
    if values.ndim == 2:
        return np.where(np.isnan(values).any(axis=1), -1, values.argmax(axis=1)), names
    distinct, found = np.unique(values[rows], return_inverse=True)
    written = [as_typed(value) if distinct.dtype.kind == "f" else str(value) for value in distinct.tolist()]
    if len(written) < 2:
        raise _useless(table, names, "at least two classes", f"only {written[0]!r}")
    if 2 * len(written) > len(rows) and len(written) > 2:
        got = f"{len(written):,} different values in {len(rows):,} rows, such as {unlike_a_number(written)!r}"
        number = ", or write plain numbers such as 1234.5" if distinct.dtype.kind != "f" else ""
        raise _useless(table, names, "classes with several rows each", got, number)
    codes = np.full(len(values), -1, dtype=np.int64)
    codes[rows] = found
    return codes, tuple(written)


def _useless(table: Table, names: Sequence[str], expected: str, got: str, also: str = "") -> DataError:
    return DataError(
        f"{table.source}: target {', '.join(map(repr, names))}",
        expected=expected,
        got=got,
        fix=f"name another column with target (--target){also}",
    )


def usable(table: Table, rows: HostArray, decisions: Sequence[Decision], options: TableOptions) -> HostArray:
    """Return the rows that may be learned from: all of them, or those without gaps, or none where gaps are refused."""
    if options.missing == "impute":
        return rows
    names = [decision.column for decision in decisions if decision.kind not in ("dropped", "target")]
    gaps = np.any([table.missing(name)[rows] for name in names], axis=0)
    if options.missing == "refuse" and gaps.any():
        name = next(name for name in names if table.missing(name)[rows].any())
        row = int(rows[table.missing(name)[rows].argmax()])
        raise DataError(
            f"{table.source}: column {name!r}",
            expected="without gaps",
            got=f"a missing value in row {row + 1}",
            fix="fill it in, or use missing='impute' or missing='drop' (--missing)",
        )
    if gaps.all():
        raise DataError(
            table.source, expected="rows without gaps", got="none", fix="use missing='impute' (--missing impute)"
        )
    kept: HostArray = rows[~gaps]
    return kept
