"""The same data frame from pandas, polars and pyarrow, and as dictionaries, is the same table."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest

from minisgd.data.tables.frames import is_frame, read_frame
from minisgd.errors import DataError

ROWS = {
    "size": [1.5, None, 3.0],
    "count": [1, 2, None],
    "colour": ["red", None, "blue"],
    "ok": [True, False, True],
    "day": [date(2020, 1, 1), date(2020, 1, 3), date(2020, 1, 2)],
    "y": [0, 1, 0],
}


def as_pandas():
    return pytest.importorskip("pandas").DataFrame(ROWS)


def as_categories():
    frame = as_pandas()
    frame["colour"] = frame["colour"].astype("category")
    frame["count"] = frame["count"].astype("Int64")
    frame["day"] = frame["day"].astype("datetime64[ns]")
    return frame


def as_polars():
    return pytest.importorskip("polars").DataFrame(ROWS)


def as_pyarrow():
    return pytest.importorskip("pyarrow").table(ROWS)


def as_dictionary():
    return {name: np.array(values) for name, values in ROWS.items()}


def as_list_of_rows():
    return [{name: values[row] for name, values in ROWS.items() if values[row] is not None} for row in range(3)]


FORMS = [as_pandas, as_categories, as_polars, as_pyarrow, as_dictionary, as_list_of_rows]


@pytest.mark.parametrize("form", FORMS)
def test_every_form(form):
    frame = form()
    assert is_frame(frame)
    table = read_frame(frame)
    assert set(table.names) == set(ROWS) and len(table) == 3
    np.testing.assert_array_equal(table.number("size"), [1.5, np.nan, 3])
    np.testing.assert_array_equal(table.number("count"), [1, 2, np.nan])
    np.testing.assert_array_equal(table.text["colour"].strings(), ["red", "", "blue"])
    np.testing.assert_array_equal(table.number("ok"), [1, 0, 1])
    assert table.booleans == {"ok"}
    np.testing.assert_array_equal(table.dates["day"], np.array(ROWS["day"], dtype="datetime64[D]"))


@pytest.mark.parametrize("value", [np.zeros((2, 2)), [[1, 2]], "a", 3, [], None])
def test_what_is_no_frame(value):
    assert not is_frame(value)


def test_a_named_index_is_a_column():
    frame = as_pandas().set_index("colour")
    assert "colour" in read_frame(frame).names
    assert len(read_frame(as_pandas()).names) == len(ROWS)


def test_kinds_of_cells():
    table = read_frame({
        "decimal": np.array([Decimal("1.5"), None]),
        "delta": np.array([1, 2], dtype="timedelta64[m]"),
        "bytes": np.array([b"a", b"b"]),
        "mixed": np.array([1, "a"], dtype=object),
        "gone": np.array([None, None]),
    })  # fmt: skip
    np.testing.assert_array_equal(table.number("decimal"), [1.5, np.nan])
    np.testing.assert_array_equal(table.number("delta"), [60, 120])
    assert table.text["bytes"].values == ("a", "b") and table.text["mixed"].values == ("1", "a")
    assert np.isnan(table.number("gone")).all()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a": [1, 2], "b": [1]}, "columns of equal length"),
        ({}, "at least one column, got none"),
        ({"a": []}, "at least one row"),
        ({"a": np.zeros((2, 2))}, r"column 'a' must be one cell per row, got shape \(2, 2\)"),
        ({"a": np.array([[1], None], dtype=object)}, "column 'a' must be one value per cell, got a list"),
        ({"a": np.array([1j])}, "column 'a' must be numbers, text or dates, got dtype complex128"),
    ],
)
def test_frames_that_are_refused(frame, message):
    with pytest.raises(DataError, match=f"data frame.*{message}"):
        read_frame(frame)


def test_a_name_twice():
    frame = as_pandas()
    frame.columns = ["a", "b", "a", "c", "d", "e"]
    with pytest.raises(DataError, match="data frame: column 3 must be named unlike the others, got 'a'"):
        read_frame(frame)


def test_times_with_a_zone_among_objects_are_those_of_utc():
    there = timezone(timedelta(hours=2))
    cells = np.array([datetime(2020, 1, 1, 2, tzinfo=there), None], dtype=object)
    table = read_frame({"when": cells})  # NumPy's warning about zones is an error in these tests
    np.testing.assert_array_equal(table.dates["when"], np.array(["2020-01-01T00", "NaT"], dtype="M8[ms]"))
