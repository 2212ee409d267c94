"""Read ARFF files, the format of Weka, by scipy."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np

from minisgd.data.readers.reader import TableReader, existing, refusing
from minisgd.data.tables.table import Table
from minisgd.errors import missing_extra


def read_arff(path: str | Path, header: bool | None = None) -> Table:
    """Return the table of an ARFF file of numeric and nominal attributes.

    Raises:
        MissingExtraError: Without scipy.
        DataError: For a file that is no such table.
    """
    path = existing(Path(path))
    with missing_extra("scipy", expected=f"installed to read {path}", got="no such package", fix="pip install scipy"):
        arff = import_module("scipy.io.arff")
    with refusing(path, "an ARFF table of numeric and nominal attributes", "export it as CSV"):
        rows, about = arff.loadarff(path)
        columns = {name: np.asarray(rows[name]) for name in about.names()}
    return Table.of(str(path), columns)


ARFF = TableReader("FILE.arff", "the same in the format of Weka, where scipy is installed", read_arff)
