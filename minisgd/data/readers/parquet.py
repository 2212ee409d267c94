"""Read Parquet tables, by pyarrow."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from minisgd.data.readers.reader import TableReader, existing, refusing, require_room
from minisgd.data.tables.frames import read_frame
from minisgd.data.tables.table import Table
from minisgd.errors import DataError, missing_extra


def read_parquet(path: str | Path, header: bool | None = None) -> Table:
    """Return the table of a Parquet file.

    Raises:
        MissingExtraError: Without pyarrow.
        DataError: For a file that is no such table.
    """
    path = existing(Path(path))
    fix = "pip install 'minisgd[data]'"
    with missing_extra("pyarrow", expected=f"installed to read {path}", got="no such package", fix=fix):
        types, parquet = import_module("pyarrow.types"), import_module("pyarrow.parquet")
    with refusing(path, "a Parquet table", "write the file again"):
        with parquet.ParquetFile(path) as file:
            fields, shape = file.schema_arrow, (file.metadata.num_rows, file.metadata.num_columns)
        for field in fields:
            if types.is_nested(field.type):
                raise DataError(
                    f"{path}: column {field.name!r}", expected="one value per cell", got=str(field.type),
                    fix="split it into columns of one value",
                )  # fmt: skip
        require_room(path, 8 * shape[0] * shape[1], f"{shape[0]:,} rows of {shape[1]:,} columns")
        text = [field.name for field in fields if types.is_string(field.type) or types.is_large_string(field.type)]
        # texts that come again are read once: a file of few bytes may repeat a long one a million times
        table = parquet.read_table(path, read_dictionary=text)
        return read_frame(table, str(path))


PARQUET = TableReader("FILE.parquet", "the same as Parquet, with `minisgd[data]`", read_parquet, also=(".pq",))
