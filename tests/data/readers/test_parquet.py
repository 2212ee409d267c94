from __future__ import annotations

import sys

import numpy as np
import pytest

from minisgd.data.readers.parquet import read_parquet
from minisgd.errors import ArgumentError, DataError, MissingExtraError


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

    def test_features_and_labels(self):
        x, y, target = read_parquet(self.write(a=[1, 2], label=["dog", "cat"], c=[0.5, 1.5]))
        assert x.dtype == np.float64 and target == "label"
        np.testing.assert_array_equal(x, [[1, 0.5], [2, 1.5]])
        np.testing.assert_array_equal(y, ["dog", "cat"])

    def test_dictionaries_integers_and_decimals(self):
        labels = self.arrow.array(["b", "a"]).dictionary_encode()
        np.testing.assert_array_equal(read_parquet(self.write(a=[True, False], y=labels))[1], ["b", "a"])
        assert read_parquet(self.write(a=[1, 2, 3, 4], y=[0, 1, 0, 1]))[1].dtype == np.int64
        assert read_parquet(self.write(a=[1, 2, 3, 4], y=[5, 6, 7, 8]))[1].dtype == np.float64

    def test_bad_tables(self):
        with pytest.raises(DataError, match="column 'a' must be numbers, none of them missing, got 1 missing values"):
            read_parquet(self.write(a=[1, None], y=[0, 1]))
        with pytest.raises(DataError, match="column 'y' must be free of missing values, got 1 missing values"):
            read_parquet(self.write(a=[1, 2], y=["x", None]))
        with pytest.raises(DataError, match="column 'a' must be numbers, none of them missing, got string"):
            read_parquet(self.write(a=["u", "v"], y=[0, 1]))
        with pytest.raises(ArgumentError, match="did you mean 'price'"):
            read_parquet(self.write(a=[1], price=[0]), target="prize")
        self.path.write_bytes(b"PAR1 nonsense")
        with pytest.raises(DataError, match="t.parquet must be a Parquet table"):
            read_parquet(self.path)
