"""Read Parquet tables, through pyarrow."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np

from minisgd.data.readers.columns import as_target, target_column
from minisgd.data.readers.reader import TableReader, existing
from minisgd.errors import DataError, MissingExtraError
from minisgd.typing import HostArray


def read_parquet(path: str | Path, target: str | None = None) -> tuple[HostArray, HostArray, str]:
    """Return features (N, F) float64, targets (N,) and the name of the target column, chosen as in a CSV table.

    Raises:
        MissingExtraError: Without pyarrow.
        DataError: For missing values and for features that are no numbers; names the column.
        ArgumentError: For a target that no column is called.
    """
    path = existing(Path(path))
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError(
            "pyarrow", expected=f"installed to read {path}", got="no such package", fix="pip install 'minisgd[data]'"
        ) from error
    try:
        table = parquet.read_table(path)
    except (ValueError, OSError) as error:
        raise DataError(
            str(path), expected="a Parquet table", got=str(error).splitlines()[0], fix="write the file again"
        ) from error
    names: list[str] = list(table.column_names)
    aim = target_column(names, target, str(path))
    columns: list[HostArray] = []
    for number, (name, column) in enumerate(zip(names, table.columns, strict=True)):
        # labels may be dictionaries or text, which only the detour through Python values makes plain
        values: HostArray = np.asarray(column.to_pylist()) if number == aim else column.to_numpy()
        if column.null_count or (number != aim and values.dtype.kind not in "biuf"):
            raise DataError(
                f"{path}, column {name!r}",
                expected="free of missing values" if number == aim else "numbers, none of them missing",
                got=f"{column.null_count} missing values" if column.null_count else str(column.type),
                fix="fill in the values, encode the column as numbers, or remove it",
            )
        columns.append(values)
    y = as_target(columns.pop(aim))
    return np.stack(columns, axis=1).astype(np.float64, copy=False), y, names[aim]


PARQUET = TableReader("FILE.parquet", "the same in Parquet, read by pyarrow", read_parquet)
