"""Data frames of pandas, polars and pyarrow, and dictionaries of columns: no library is imported to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minisgd.data.tables.table import Table, require_distinct
from minisgd.errors import DataError


def is_frame(value: Any) -> bool:
    """Tell whether a value has named columns: a data frame, a dictionary of columns, or a list of dictionaries."""
    if isinstance(value, Mapping):
        return True
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return bool(value) and all(isinstance(row, Mapping) for row in value)
    return not isinstance(value, np.ndarray) and (hasattr(value, "columns") or hasattr(value, "column_names"))


def read_frame(frame: Any, source: str = "data frame") -> Table:
    """Return a data frame as a table; an index of a pandas frame that has a name becomes a column.

    Raises:
        DataError: Where it has no columns, or a column that cannot be read.
    """
    columns = _columns(frame, source)
    if not columns:
        raise DataError(source, expected="at least one column", got="none", fix="pass a frame with named columns")
    return Table.of(source, columns)


def _columns(frame: Any, source: str) -> dict[str, Any]:
    if isinstance(frame, Mapping):
        return {str(name): np.asarray(values) for name, values in frame.items()}
    if isinstance(frame, Sequence):
        return _of_rows(frame)
    if hasattr(frame, "column_names"):  # pyarrow, whose ``columns`` are the values
        names = list(frame.column_names)
    else:
        index = getattr(frame, "index", None)
        if getattr(index, "name", None) is not None:
            frame = frame.reset_index()
        names = list(frame.columns)
    texts = [str(name) for name in names]
    require_distinct(texts, source)
    try:
        return {text: frame[name].to_numpy() for text, name in zip(texts, names, strict=True)}
    except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise DataError(
            source,
            expected="a data frame of pandas, polars or pyarrow",
            got=f"{type(frame).__name__} ({error})",
            fix="pass a dictionary of arrays by column name",
        ) from error


def _of_rows(rows: Sequence[Mapping[Any, Any]]) -> dict[str, Any]:
    """Turn a list of dictionaries into columns; what a row leaves out is missing."""
    named = [{str(name): cell for name, cell in row.items()} for row in rows]
    columns = {}
    for name in dict.fromkeys(name for row in named for name in row):
        cells = np.empty(len(named), dtype=object)
        cells[:] = [row.get(name) for row in named]
        columns[name] = cells
    return columns
