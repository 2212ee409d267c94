"""Sixty tables that are wrong or odd: each refused with the argument, what was expected, what came, and the fix."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from minisgd.data.sources import load
from minisgd.errors import MinisgdError

GOOD = "a,b,y\n" + "".join(f"{i / 3:.2f},{'uvw'[i % 3]},{i % 2}\n" for i in range(12))
ROWS = GOOD.split("\n", 1)[1]
NUMBERS = "a,b,y\n" + "".join(f"{i / 3:.2f},{i * i},{i / 7:.3f}\n" for i in range(12))

# what the file holds | options | parts of the message, the last of them the fix
TEXTS: dict[str, tuple[str | bytes, dict, list[str]]] = {
    "empty": ("", {}, ["t.csv", "a table with a header", "an empty file", "check the file"]),
    "blank lines": ("\n\n\n", {}, ["an empty file"]),
    "comments only": ("# a\n# b\n", {}, ["an empty file"]),
    "header only": ("a,b,y\n", {}, ["at least one row", "no rows", "add rows"]),
    "one row": ("a,y\n1,2\n", {}, ["y", "that vary", "only 2"]),
    "one column": ("y\n1\n2\n", {}, ["at least two columns", "'y' alone", "add a target column"]),
    "one column of text": ("name\nana\nbob\n", {}, ["at least two columns", "'name' alone"]),
    "no header": (ROWS, {}, ["line 1", "looks like data", "header=False"]),
    "half a header": ("a,3,y\n" + ROWS, {}, []),
    "a header of data": ("u,v,w\nu,v,w\nu,x,w\n", {}, ["3 of 3 cells come again below"]),
    "a header of years": ("1990,1991,y\n1,2,0\n3,4,1\n", {}, ["2 of 3 cells are numbers", "header=True"]),
    "a short line": (GOOD + "1,u\n", {}, ["line 14", "3 cells like the header", "got 2", "quote cells"]),
    "a long line": (GOOD + "1,u,0,9\n", {}, ["line 14", "got 4"]),
    "a long first line": ("a,y\n1,2,3\n4,5\n6,7\n", {}, ["line 2", "2 cells like the header"]),
    "names twice": ("a,a,y\n1,2,0\n3,4,1\n", {}, ["column 2", "unlike the others", "'a'", "rename it"]),
    "an open quote": ('a,y\n1,"open\n2,b\n', {}, ["CSV table"]),
    "text after a quote": ('a,y\n1,"x"tail\n2,"x"tail\n3,z\n4,z\n', {}, []),
    "zero bytes": (b"a,y\n\x00\x00,1\n", {}, ["zero bytes", "export it as CSV"]),
    "Latin-1": ("a,y\né,1\n".encode("latin-1"), {}, ["UTF-8", "can't decode"]),
    "UTF-16": (GOOD.encode("utf-16"), {}, ["UTF-8"]),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), {}, ["t.csv"]),
    "a zip file": (b"PK\x03\x04" + bytes(200), {}, ["t.csv"]),
    "half a gzip": (gzip.compress(GOOD.encode())[:30], {}, ["t.csv", "export it again"]),
    "gzip of nothing": (gzip.compress(b""), {}, ["an empty file"]),
    "infinity": ("a,y\n1,0\ninf,1\n2,0\n3,1\n", {}, ["column 'a'", "finite", "inf in row 2"]),
    "an infinite target": ("a,y\n1,0.5\n2,inf\n3,1.5\n", {}, ["target 'y'", "finite", "--target"]),
    "a constant target": ("a,y\n1,5\n2,5\n3,5\n", {}, ["target 'y'", "only 5", "--target"]),
    "one class": ("a,y\n1,cat\n2,cat\n3,cat\n", {}, ["target 'y'", "two classes", "only 'cat'"]),
    "a target of names": ("a,y\n" + "".join(f"{i},n{i}\n" for i in range(9)), {}, ["9 different values in 9 rows"]),
    "no target at all": ("a,y\n1,\n2,\n3,\n", {}, ["target 'y'", "no value in any row"]),
    "a target of prose": ("a,y\n1,good\n2,bad one\n3,fair\n", {}, ["3 different values"]),
    "constant features": ("a,b,y\n1,x,0\n1,x,1\n1,x,0\n", {}, ["at least one column", "always 1", "always 'x'"]),
    "identifiers only": (
        "a,y\n" + "".join(f"n{i},{i % 2}\n" for i in range(50)), {}, ["50 different texts", "categorical"]
    ),
    "empty features": ("a,y\n,0\n,1\n,0\n", {}, ["no values at all"]),
    "gaps refused": ("a,y\n1,0\n,1\n2,0\n3,1\n", {"missing": "refuse"}, ["column 'a'", "row 2", "--missing"]),
    "gaps everywhere": ("a,b,y\n1,,0\n,2,1\n3,,0\n", {"missing": "drop"}, ["rows without gaps", "impute"]),
    "no such target": (GOOD, {"target": "z"}, ["target", "'z'", "a, b, y"]),
    "almost a target": (NUMBERS.replace("y", "price"), {"target": "prize"}, ["did you mean 'price'"]),
    "no such columns": (GOOD, {"drop": ["q"]}, ["drop", "'q'", "a, b, y"]),
    "no such category": (GOOD, {"categorical": ["q"]}, ["categorical", "'q'"]),
    "all dropped": (GOOD, {"drop": ["a", "b"]}, ["at least one column", "you said so"]),
    "names as one word": (GOOD, {"drop": "ab"}, ["drop", "a list of column names"]),
    "another rule for gaps": (GOOD, {"missing": "ignore"}, ["missing", "'impute', 'drop', 'refuse'", "ignore"]),
    "another task": (GOOD, {"task": "ranking"}, ["task", "ranking"]),
    "text as numbers": (GOOD, {"target": "b", "task": "regression"}, ["task", "'classification'", "'u' is no number"]),
    "fractions as labels": (NUMBERS, {"task": "multilabel"}, ["task", "neither 0 nor 1"]),
    "numbers as classes": (NUMBERS, {"task": "classification"}, ["12 different values in 12 rows"]),
    "text among targets": (GOOD, {"target": ["b", "y"]}, ["column 'b'", "numbers", "encode"]),
    "no target named": (GOOD, {"target": []}, ["target", "one column or several"]),
    "too much held out": (GOOD, {"validation": 1.0}, ["validation", "a fraction in [0, 1)"]),
    "everybody alone": ("a,y\n1,p\n2,q\n", {}, ["two examples of at least one class", "validation=0"]),
    "a date as target": ("a,y\n" + "1,2020-01-01\n" * 3, {}, ["target 'y'"]),
    "a folder": ("", {}, ["an existing file", "a folder"]),
    "nothing there": ("", {}, ["an existing file", "nothing", "check the file name"]),
    "another ending": ("", {}, ["data", "did you mean"]),
    "pickle": (b"\x80\x04\x95" + bytes(50), {}, ["t.csv"]),
    "Parquet by name": (b"PAR1 nonsense", {}, ["t.parquet", "write the file again"]),
    "ARFF without rows": ("@relation r\n@attribute a numeric\n@data\n", {}, ["t.arff"]),
    "ARFF of strings": ("@relation r\n@attribute a string\n@data\nx\n", {}, ["t.arff", "export it as CSV"]),
    "HTML": ("<html>\n<body>404</body>\n</html>\n", {}, ["at least two columns"]),
    "JSON": ('{"a": [1, 2],\n "y": [0, 1]}\n', {}, ["t.csv"]),
    "a sentence": ("Dear Sir,\n\nplease find attached\n", {}, ["t.csv"]),
    "a line without end": ("a,y\n" + "1" * 200_000 + ",2\n3,4\n", {}, ["t.csv"]),
}  # fmt: skip

ACCEPTED = {"half a header", "text after a quote"}
"""Odd, but they can be read: the first names its columns "a", "3" and "y"."""


def place(folder: Path, name: str, content: str | bytes) -> Path:
    ending = {"Parquet by name": ".parquet", "ARFF without rows": ".arff", "ARFF of strings": ".arff"}.get(name, ".csv")
    path = folder / f"t{ending}"
    if name == "a folder":
        path.mkdir()
    elif name == "another ending":
        path = folder / "t.cvs"
    elif name != "nothing there":
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", sorted(set(TEXTS) - ACCEPTED))
def test_every_odd_table_is_refused_with_its_fix(tmp_path: Path, name: str) -> None:
    content, options, says = TEXTS[name]
    if "ARFF" in name:
        pytest.importorskip("scipy")
    if "Parquet" in name:
        pytest.importorskip("pyarrow")
    with pytest.raises(MinisgdError) as caught:
        load(place(tmp_path, name, content), **options)
    message = str(caught.value)
    assert [part for part in says if part not in message] == []
    assert caught.value.argument and caught.value.expected and caught.value.fix
    assert "Traceback" not in message and len(message) < 800


def test_there_are_sixty() -> None:
    assert len(TEXTS) >= 60


ODD = {
    "quoted line breaks": ('a,y\n"1\n2",0\n"3\n4",1\n' + "u,0\nu,1\nu,0\nu,1\n", 3),
    "spaces around": (" a , b , y \n 1 , u , 0 \n 2 , v , 1 \n 3 , u , 0 \n 4 , v , 1 \n", 2),
    "many kinds of gaps": ("a,b,y\n1,NA,0\n?,2,1\nnull,3,0\n4,NaN,1\n5,6,0\n", 4),
    "thousands of text": ("a,y\n" + "".join(f"{'long ' * 50}{i % 4},{i % 2}\n" for i in range(60)), 4),
    "percent and euro": ("a,y\n10%,0\n20%,1\n10%,0\n20%,1\n", 2),
    "signs": ("a;y\n+1,5;0\n-2,5;1\n+3,0;0\n4,0;1\n", 1),
    "two rows a class": ("a,y\n1,p\n2,p\n3,q\n4,q\n", 1),
    "Windows": (GOOD.replace("\n", "\r\n"), 4),
    "mixed dates": ("a,y\n2020-01-01,0\n2020-02-01,1\n2020-03-01,0\n2020-01-09,1\n", 1),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_tables_that_can_be_learned_from(tmp_path: Path, name: str) -> None:
    content, width = ODD[name]
    data = load(place(tmp_path, name, content), validation=None)
    assert data.input_shape == (width,) and np.isfinite(data.train.x).all()


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_odd_tables_that_are_read(tmp_path: Path, name: str) -> None:
    if name == "text after a quote":
        pytest.importorskip("pandas", reason="pandas, which reads text after a quote, is not installed")
    assert len(load(place(tmp_path, name, TEXTS[name][0]), validation=None)) > 2


def test_without_pandas_text_after_a_quote_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MinisgdError, match=r"t\.csv must be a readable CSV table.*expected after.*; export it again"):
        load(place(tmp_path, "text after a quote", TEXTS["text after a quote"][0]), validation=None)
