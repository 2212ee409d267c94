"""Read Parquet tables, by pyarrow."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from minisgd.data.readers.reader import TableReader, existing
from minisgd.data.tables.frames import read_frame
from minisgd.data.tables.table import Table
from minisgd.errors import DataError, MissingExtraError


def read_parquet(path: str | Path, header: bool | None = None) -> Table:
    """Return the table of a Parquet file.

    Raises:
        MissingExtraError: Without pyarrow.
        DataError: For a file that is no such table.
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
    return read_frame(table, str(path))


PARQUET = TableReader("FILE.parquet", "the same as Parquet, with `minisgd[data]`", read_parquet, also=(".pq",))
