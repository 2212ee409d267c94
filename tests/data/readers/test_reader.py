"""The table of readers: what is written of it elsewhere, and a reader added by one row."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from minisgd.cli import main
from minisgd.data import sources
from minisgd.data.readers import READERS, idx, npy, npz
from minisgd.data.readers.reader import Reader
from minisgd.data.sources import BUILT_IN, FORMS, load
from minisgd.errors import ArgumentError, DataError
from tests.data.readers.fuzz.makers import MAKERS
from tests.data.readers.hostile import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "pages" / "data.md"


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.form)
def test_every_reader_is_in_the_documentation_and_in_the_help(reader, capsys):
    assert f"| `{reader.form}` | {reader.meaning} |" in PAGE.read_text(encoding="utf-8")
    assert reader.form in FORMS
    assert main(["train", "--help"]) == 0
    assert reader.form in capsys.readouterr().out


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.form)
def test_every_reader_faces_hostile_files_and_the_fuzzer(reader):
    kinds = {kind.partition(",")[0] for kind in KINDS.keys() & MAKERS.keys()}
    assert reader.read.__module__.rpartition(".")[2] in kinds


def test_every_file_is_a_row_or_shared_by_the_rows():
    files = {path.stem for path in Path(npz.__file__).parent.glob("*.py")} - {"__init__", "reader", "columns"}
    assert files == {reader.read.__module__.rpartition(".")[2] for reader in READERS}


def test_built_in_data_are_in_the_documentation():
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{name}` | " in page for name in BUILT_IN)


@pytest.mark.parametrize(
    ("name", "reader"),
    [("idx:a.csv", idx.IDX), ("a,b.npz", npz.NPZ), ("A.NPZ", npz.NPZ), ("x.npy,y.npy", npy.NPY), ("x.npy", None)],
)
def test_the_form_decides(name, reader):
    assert next((each for each in READERS if each.takes(name)), None) is reader


def test_a_reader_is_one_row(monkeypatch):
    def read(path):
        return {"train": (np.eye(4, dtype=np.float32), np.arange(4) % 2, None)}

    monkeypatch.setattr(sources, "READERS", (*READERS, Reader("FILE.toy", "a toy", read)))
    assert load("a.toy", validation=None).describe().startswith("a.toy: 4 train")
    with pytest.raises(ArgumentError, match="did you mean 'a.toy'"):
        load("a.tyo")


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(DataError, match="got a pipe or device, which can be read only once; save"):
        load(tmp_path / "t.csv")
