from __future__ import annotations

import sys

import numpy as np
import pytest

from minisgd.data.readers.arff import read_arff
from minisgd.errors import DataError, MissingExtraError

TEXT = """@relation weather
@attribute temperature numeric
@attribute outlook {sunny, rainy}
@data
21.5,sunny
?,rainy
"""


def test_attributes_of_both_kinds(tmp_path):
    pytest.importorskip("scipy")
    (tmp_path / "t.arff").write_text(TEXT)
    table = read_arff(tmp_path / "t.arff")
    np.testing.assert_array_equal(table.number("temperature"), [21.5, np.nan])
    np.testing.assert_array_equal(table.text["outlook"].strings(), ["sunny", "rainy"])


@pytest.mark.parametrize("text", ["", "nothing", TEXT.replace("rainy}", "wet}"), TEXT.replace("numeric", "string")])
def test_other_files_are_refused(tmp_path, text):
    pytest.importorskip("scipy")
    (tmp_path / "t.arff").write_text(text)
    with pytest.raises(DataError, match="t.arff must be"):
        read_arff(tmp_path / "t.arff")


def test_without_scipy(tmp_path, monkeypatch):
    (tmp_path / "t.arff").write_text(TEXT)
    monkeypatch.setitem(sys.modules, "scipy.io.arff", None)
    with pytest.raises(MissingExtraError, match="scipy must be installed to read .*; pip install scipy"):
        read_arff(tmp_path / "t.arff")
