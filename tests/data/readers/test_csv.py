"""Every dialect gives the same table, with pandas and without."""

from __future__ import annotations

import gzip
import sys

import numpy as np
import pytest

from minisgd.data.readers import csv as delimited
from minisgd.data.readers.csv import read_csv
from minisgd.errors import DataError

HEAD = "size,colour,ok,y\n"
ROWS = "1.5,red,True,1\n-2,,False,0\n,blue,True,1\n"
CELLS = [["size", "colour", "ok", "y"], *(row.split(",") for row in ROWS.split())]


def joined(mark: str, decimal: str = ".") -> str:
    return "".join(mark.join(cell.replace(".", decimal) for cell in row) + "\n" for row in CELLS)


DIALECTS = {
    "commas": (HEAD + ROWS, ()),
    "carriage returns": ((HEAD + ROWS).replace("\n", "\r\n"), ()),
    "byte order mark": ("\ufeff" + HEAD + ROWS, ()),
    "semicolons": (joined(";"), ("separated by semicolons",)),
    "tabs": (joined("\t"), ("separated by tabs",)),
    "Excel": ("sep=;\n" + joined(";"), ("separated by semicolons",)),
    "bars": (joined("|"), ("separated by vertical bars",)),
    "decimal comma": (joined(";", ","), ("separated by semicolons", "decimal comma")),
    "comments": ("# from the laboratory\n" + HEAD + "#1,2,3\n" + ROWS, ("lines that begin with # left out",)),
    "quotes": ('"size","colour",ok,"y"\n' + ROWS.replace("red", '"red"'), ()),
    "empty lines": ("\n" + HEAD + "\n" + ROWS.replace("\n", "\n\n"), ()),
    "spaces": ((HEAD + ROWS).replace(",", ", "), ()),
    "question marks": (HEAD + ROWS.replace(",,", ",?,").replace("\n,", "\nNA,"), ()),
}


@pytest.fixture(params=["pandas", "plain"])
def library(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setitem(sys.modules, "pandas", None)
    else:
        pytest.importorskip("pandas")
    return request.param


def write(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return path


def check(table):
    assert table.names == ("size", "colour", "ok", "y") and len(table) == 3
    np.testing.assert_array_equal(table.number("size"), [1.5, -2, np.nan])
    np.testing.assert_array_equal(table.text["colour"].strings(), ["red", "", "blue"])
    np.testing.assert_array_equal(table.number("y"), [1, 0, 1])


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect(tmp_path, library, dialect, name):
    text, notes = DIALECTS[dialect]
    table = read_csv(write(tmp_path, text, name))
    check(table)
    assert table.notes == notes


def test_columns_between_spaces(tmp_path, library):
    table = read_csv(write(tmp_path, "  a   b\n 1.5   2 \n 3     4\n"))
    assert table.names == ("a", "b") and table.notes == ("separated by spaces",)
    np.testing.assert_array_equal(table.numbers, [[1.5, 2], [3, 4]])


def test_no_header(tmp_path, library):
    path = write(tmp_path, "5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n7.0,3.2,Iris-versicolor\n")
    with pytest.raises(DataError, match=r"t.csv, line 1 must be a header .* 2 of 3 cells are numbers; .*header=False"):
        read_csv(path)
    table = read_csv(path, header=False)
    assert table.names == ("column1", "column2", "column3") and len(table) == 3
    assert table.notes == ("no header: columns are called column1, column2, …",)
    assert read_csv(path, header=True).names[0] == "5.1"


def test_a_header_of_r_that_lacks_the_row_names(tmp_path, library):
    table = read_csv(write(tmp_path, "mpg,cyl\nMazda,21,6\nDatsun,22.8,4\n"))
    assert table.names == ("Unnamed: 0", "mpg", "cyl")
    assert table.text["Unnamed: 0"].values == ("Mazda", "Datsun")


def test_a_first_line_that_counts_from_zero_names_columns(tmp_path):
    table = read_csv(write(tmp_path, "0,1,2,3,label\n4.5,1,2,0,a\n1.5,3,2,1,b\n"))
    assert list(table.names) == ["0", "1", "2", "3", "label"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv must be a table with a header, got an empty file"),
        ("# nothing\n", "got an empty file"),
        ("a,b,y\n", "at least one row.*got no rows"),
        ("1,2,3\n4,5,6\n", "line 1 must be a header .* got 1, 2, 3, which looks like data: 3 of 3 cells are numbers"),
        ("p,x,s\np,x,s\ne,x,s\n", "3 of 3 cells come again below"),
        ("a,b,y\n1,2,x\n1,2\n", "line 3 must be 3 cells like the header, got 2"),
        ("a,b,y\n1,2,x,4\n1,2,3\n", "line 2 must be 3 cells like the header, got 4"),
        ("a,a,y\n1,2,3\n", "column 2 must be named unlike the others, got 'a'"),
        ("a\0b,y\n1,2\n", "must be a table as text, got a file with zero bytes"),
    ],
)
def test_bad_tables_say_where(tmp_path, library, text, message):
    with pytest.raises(DataError, match=message):
        read_csv(write(tmp_path, text))


def test_other_encodings(tmp_path, library):
    path = tmp_path / "t.csv"
    path.write_bytes("a,y\n1,é\n".encode("latin-1"))
    with pytest.raises(DataError, match="must be a readable CSV table in UTF-8.*can't decode"):
        read_csv(path)


def test_a_line_without_end(tmp_path, library, monkeypatch):
    monkeypatch.setattr("minisgd.data.tables.dialect._WIDEST", 100)
    with pytest.raises(DataError, match="must be lines of a table, got a line of 100 characters"):
        read_csv(write(tmp_path, "a" * 1000))


@pytest.mark.parametrize("cells", [2, 6, 1 << 20])
def test_pieces_join(tmp_path, monkeypatch, cells):
    """Text after numbers, numbers after text, and gaps before either, wherever the pieces end."""
    pytest.importorskip("pandas")
    monkeypatch.setattr(delimited, "_CELLS", cells)
    rows = [("", "1", "a", "7"), ("", "2", "4", "True"), ("x", "c", "5", "8"), ("y", "3", "d", "False")]
    table = read_csv(write(tmp_path, "p,q,r,s\n" + "\n".join(map(",".join, rows)) + "\n"))
    for place, name in enumerate("pqr"):
        np.testing.assert_array_equal(table.text[name].strings(), [row[place] for row in rows])


def test_numbers_as_python_code_writes_them_are_text(library, tmp_path):
    """Both libraries agree on what a number is: 1_000 is none."""
    table = read_csv(write(tmp_path, "a,b,y\n" + "".join(f"1_{k}00,{k}e2,{k % 2}\n" for k in range(9))))
    assert set(table.text) == {"a"} and table.numeric == ("b", "y")


def test_a_header_in_a_comment_names_the_columns(tmp_path, library):
    table = read_csv(write(tmp_path, "# made by savetxt\n# size, y\n1.5,0\n2.5,1\n#3,3\n"))
    assert table.names == ("size", "y") and len(table) == 2
    with pytest.raises(DataError, match="which looks like data"):
        read_csv(write(tmp_path, "# made by hand, in May, at home\n1.5,0\n2.5,1\n"))
