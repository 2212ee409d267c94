from __future__ import annotations

import numpy as np
import pytest

from minisgd.data.readers import csv as table
from minisgd.data.readers.csv import read_csv
from minisgd.errors import DataError


def write(folder, text, encoding="utf-8"):
    path = folder / "t.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_labels_as_text(tmp_path):
    x, y, target = read_csv(write(tmp_path, "a,b,species\n1,2.5,cat\n-3,1e-2,dog\n"))
    assert x.dtype == np.float64 and target == "species"
    np.testing.assert_array_equal(x, [[1, 2.5], [-3, 0.01]])
    np.testing.assert_array_equal(y, ["cat", "dog"])


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["0", "1", "1", "0"], np.int64),
        (["0", "1", "2", "3"], np.float64),  # integers of which none repeats
        (["0.5", "1", "1", "0"], np.float64),
        (["1.0", "0.0", "1.0", "0.0"], np.float64),
        (["1e30", "2", "3", "4"], np.float64),
        (["99999999999999999999", "2", "2", "99999999999999999999"], np.float64),
    ],
)
def test_integers_or_decimals(tmp_path, cells, dtype):
    _, y, _ = read_csv(write(tmp_path, "a,y\n" + "".join(f"1,{cell}\n" for cell in cells)))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.array(cells, dtype=float))


def test_the_target_may_be_any_column(tmp_path):
    path = write(tmp_path, "a,label,c\n1,x,2\n3,y,4\n")
    x, y, target = read_csv(path)
    np.testing.assert_array_equal(x, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(y, ["x", "y"])
    assert target == "label"
    assert read_csv(write(tmp_path, "a,b,c\n1,5,2\n3,6,4\n"), target="a")[2] == "a"


def test_quotes_spaces_empty_lines_and_byte_order_marks(tmp_path):
    text = '\ufeff"width, cm", b ,y\r\n1, 2 ,"a, ""b"""\r\n\r\n"3",4,"line\nbreak"\r\n'
    x, y, _ = read_csv(write(tmp_path, text))
    np.testing.assert_array_equal(x, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(y, ['a, "b"', "line\nbreak"])


@pytest.mark.parametrize("block", [1, 2, 4096])
def test_blocks_join_and_lines_are_counted_across_them(tmp_path, block, monkeypatch):
    monkeypatch.setattr(table, "_BLOCK", block)
    rows = [f"{i},{i * 2},{'ab'[i % 2]}" for i in range(7)]
    x, _, _ = read_csv(write(tmp_path, "\n".join(["p,q,y", *rows])))
    np.testing.assert_array_equal(x, [[i, 2 * i] for i in range(7)])
    for bad in range(7):
        spoilt = [*rows[:bad], "1,oops,a", *rows[bad + 1 :]]
        with pytest.raises(DataError, match=rf"t.csv, line {bad + 2}, column 'q' must be a finite number, got 'oops'"):
            read_csv(write(tmp_path, "\n".join(["p,q,y", *spoilt])))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv must be a CSV table with a header, got an empty file"),
        ("a,b,y\n", "at least one row below the header"),
        ("1,2,3\n4,5,6\n", "line 1 must be a header that names the columns, got 1, 2, 3; add a first line"),
        ("a,b,y\n1,2,x\n1,2\n", "line 3 must be 3 cells like the header, got 2"),
        ("a,b,y\n1,2,x,4\n", "line 2 must be 3 cells like the header, got 4"),
        ("a,b,y\n1,,x\n", "line 2, column 'b' must be filled in, got '', a missing value"),
        ("a,b,y\n1,NaN,x\n", "line 2, column 'b' must be filled in, got 'NaN', a missing value"),
        ("a,b,y\n1,?,x\n", "line 2, column 'b' must be filled in"),
        ("a,b,y\n1,inf,x\n", "line 2, column 'b' must be a finite number, got 'inf'"),
        ("a,b,y\n1,red,x\n", "column 'b' must be a finite number, got 'red'; encode the column as numbers"),
        ("a,b,y\n1,2,x\n1,2,\n", "line 3, column 'y' must be filled in"),
        ("a,b,y\n1,2,0.5\n1,2,nan\n", "line 3, column 'y' must be filled in"),
        ("a,y\n" + "1,0.5\n" * 20 + "1,0.5x\n", "line 22, column 'y' must be a finite number, got '0.5x'"),
        ("a,y\n" + "1,0.5\n" * 20 + "1,inf\n", "line 22, column 'y' must be a finite number, got 'inf'"),
        ("a;b;y\n1;2;3\n", "separate the columns by commas"),
        ("a,a,y\n1,2,3\n", "column 2 must be named, and named differently from the others"),
        ("a,,y\n1,2,3\n", "column 2 must be named"),
        ('a,b,y\n1,2,"open\n', "must be a readable CSV table in UTF-8"),
        ('a,b,y\n1,2,"x"tail\n', "must be a readable CSV table in UTF-8"),
    ],
)
def test_bad_tables_say_where(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_csv(write(tmp_path, text))


def test_quoted_line_breaks_count(tmp_path):
    with pytest.raises(DataError, match="line 4, column 'a'"):
        read_csv(write(tmp_path, 'a,y\n1,"two\nlines"\noops,x\n'))


def test_other_encodings_and_absent_files(tmp_path):
    with pytest.raises(DataError, match="must be a readable CSV table in UTF-8.*can't decode"):
        read_csv(write(tmp_path, "a,y\n1,é\n", encoding="latin-1"))
    with pytest.raises(DataError, match="absent.csv must be an existing file"):
        read_csv(tmp_path / "absent.csv")
