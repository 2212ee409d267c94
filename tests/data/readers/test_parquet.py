from __future__ import annotations

import sys

import numpy as np
import pytest

from minisgd.data.readers.parquet import read_parquet
from minisgd.errors import DataError, MissingExtraError


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'minisgd\[data\]'"):
        read_parquet(tmp_path / "t.parquet")


def test_absent_files_are_named_first(tmp_path):
    with pytest.raises(DataError, match="t.parquet must be an existing file"):
        read_parquet(tmp_path / "t.parquet")


class TestWithPyarrow:
    @pytest.fixture(autouse=True)
    def pyarrow(self, tmp_path):
        self.arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        self.path = tmp_path / "t.parquet"

    def write(self, **columns):
        import pyarrow.parquet

        pyarrow.parquet.write_table(self.arrow.table(columns), self.path)
        return self.path

    def test_columns_of_every_kind(self):
        kinds = self.arrow.array(["b", "a"]).dictionary_encode()
        table = read_parquet(self.write(a=[1, None], label=kinds, c=[0.5, 1.5], ok=[True, False]))
        assert table.names == ("a", "label", "c", "ok") and table.booleans == {"ok"}
        np.testing.assert_array_equal(table.numbers, [[1, 0.5, 1], [np.nan, 1.5, 0]])
        np.testing.assert_array_equal(table.text["label"].strings(), ["b", "a"])

    def test_bad_tables(self):
        with pytest.raises(DataError, match="column 'a' must be one value per cell, got list"):
            read_parquet(self.write(a=[[1], [2, 3]], y=[0, 1]))
        self.path.write_bytes(b"PAR1 nonsense")
        with pytest.raises(DataError, match="t.parquet must be a Parquet table"):
            read_parquet(self.path)
