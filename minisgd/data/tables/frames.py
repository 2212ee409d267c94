"""Data frames of pandas, polars and pyarrow, and dictionaries of columns: no library is imported to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minisgd.data.tables.columns import listed
from minisgd.data.tables.table import Table, Text, require_distinct
from minisgd.errors import DataError, ShapeError
from minisgd.sparse import is_sparse
from minisgd.typing import HostArray


def is_frame(value: Any) -> bool:
    """Tell whether a value has named columns: a data frame, a dictionary of columns, or a list of dictionaries.

    An array with named fields is one too.
    """
    if isinstance(value, Mapping):
        return not is_sparse(value)  # as a dictionary of keys is
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return bool(value) and all(isinstance(row, Mapping) for row in value)
    if isinstance(value, np.ndarray):
        return value.dtype.names is not None
    return hasattr(value, "columns") or hasattr(value, "column_names")


def read_frame(frame: Any, source: str = "data frame") -> Table:
    """Return a data frame as a table; an index of a pandas frame that has a name becomes a column.

    Raises:
        DataError: Where it has no columns, or a column that cannot be read.
    """
    columns = _columns(frame, source)
    if not columns:
        raise DataError(source, expected="at least one column", got="none", fix="pass a frame with named columns")
    return Table.of(source, columns)


def as_table(raw: Any, columns: Sequence[str]) -> Table:
    """Return a table as it is, a data frame, or rows of cells for these columns, as a table.

    Raises:
        DataError: For what cannot be read.
        ShapeError: For rows of another length.
    """
    if isinstance(raw, Table):
        return raw
    if is_frame(raw):
        return read_frame(raw)
    try:
        rows = np.array(raw, dtype=object)
    except ValueError as error:
        raise DataError("x", expected="rows of equal length", got=str(error), fix="pass a data frame") from error
    if rows.ndim != 2 or rows.shape[1] != len(columns):
        raise ShapeError(
            "x",
            expected=f"rows of {len(columns)} cells, one for each of {listed(columns)}",
            got=f"shape {rows.shape}",
            fix="pass a data frame with these columns",
        )
    return Table.of("x", {name: rows[:, k] for k, name in enumerate(columns)})


def _columns(frame: Any, source: str) -> dict[str, Any]:
    if isinstance(frame, Mapping):
        return {str(name): np.asarray(values) for name, values in frame.items()}
    if isinstance(frame, Sequence):
        return _of_rows(frame)
    if isinstance(frame, np.ndarray):
        names = list(frame.dtype.names or ())
    elif hasattr(frame, "column_names"):  # pyarrow, whose ``columns`` are the values
        names = list(frame.column_names)
    else:
        index = getattr(frame, "index", None)
        if getattr(index, "name", None) is not None:
            frame = frame.reset_index()
        names = list(frame.columns)
    texts = [str(name) for name in names]
    require_distinct(texts, source)
    try:
        return {text: _values(frame[name]) for text, name in zip(texts, names, strict=True)}
    except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise DataError(
            source,
            expected="a data frame of pandas, polars or pyarrow",
            got=f"{type(frame).__name__} ({error})",
            fix="pass a dictionary of arrays by column name",
        ) from error


def _values(column: Any) -> HostArray | Text:
    """Return a column as an array, categories of text as they are coded, times with a zone of pandas as UTC."""
    if isinstance(column, np.ndarray):
        return column
    if hasattr(getattr(column, "type", None), "index_type"):  # pyarrow's
        whole = column.unify_dictionaries().combine_chunks()
        levels = whole.dictionary.to_pylist()
        if all(isinstance(level, str | None) for level in levels):
            return Text.coded(whole.indices.fill_null(-1).to_numpy(), levels)
    if hasattr(column, "cat") and hasattr(column.cat, "codes"):  # pandas'
        levels = column.cat.categories.to_list()
        if all(isinstance(level, str) for level in levels):
            return Text.coded(column.cat.codes.to_numpy(), levels)
    if getattr(column.dtype if hasattr(column, "dtype") else None, "tz", None) is not None:
        column = column.dt.tz_convert(None)
    values: HostArray = column.to_numpy()
    return values


def _of_rows(rows: Sequence[Mapping[Any, Any]]) -> dict[str, Any]:
    """Turn a list of dictionaries into columns; what a row leaves out is missing."""
    named = [{str(name): cell for name, cell in row.items()} for row in rows]
    columns = {}
    for name in dict.fromkeys(name for row in named for name in row):
        cells = np.empty(len(named), dtype=object)
        cells[:] = [row.get(name) for row in named]
        columns[name] = cells
    return columns
