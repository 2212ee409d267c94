"""Files are strict JSON and written completely or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import pytest

from minisgd.errors import OutputError
from minisgd.files import output_errors, require_writable, to_json, write_atomically


def test_json_has_null_for_what_is_not_finite() -> None:
    document = {"a": float("nan"), "b": [np.float64("inf"), 1.5], "c": (None, "ä"), 4: np.int64(2)}
    assert to_json(document) == '{"a": null, "b": [null, 1.5], "c": [null, "ä"], "4": 2}\n'
    assert json.loads(to_json(document, indent=2)) == json.loads(to_json(document))


def test_json_takes_names_of_files_that_are_no_text() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert json.loads(to_json({"out": name}).encode("utf-8")) == {"out": name}


def test_failed_write_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_atomically(tmp_path / "a.txt", b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OutputError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_what_the_system_refuses_names_the_argument() -> None:
    with pytest.raises(OutputError, match="--out 'x' must be writable, got No such file"):
        with output_errors("--out 'x'", "writable"):
            Path("/no/such/folder/file").write_text("")


@pytest.mark.parametrize("name", [".", "..", "folder", "folder/"])
def test_a_folder_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(OutputError, match="must be the path of a file, got a folder; name a file in it"):
        write_atomically(name, b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_another_writes_into_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def another(dir: Path) -> IO[bytes]:
        (dir / "theirs").write_text("x")
        return TemporaryFile(dir=dir)

    monkeypatch.setattr("minisgd.files.tempfile.TemporaryFile", another)
    require_writable(tmp_path / "a" / "b", "out")
    assert (tmp_path / "a" / "b" / "theirs").exists()
