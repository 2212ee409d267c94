from __future__ import annotations

import numpy as np
import pytest

from minisgd.data.readers.columns import as_target, target_column
from minisgd.errors import ArgumentError, DataError


@pytest.mark.parametrize(
    ("names", "target", "column"),
    [
        (["a", "b", "c"], None, 2),
        (["a", "class", "c"], None, 1),
        (["Y", "Label", "c"], None, 1),
        (["a", "b", "c"], "a", 0),
        (["Price", "b"], "price", 0),
        (["A", "a", "b"], "a", 1),
    ],
)
def test_the_target_column(names, target, column):
    assert target_column(names, target, "t.csv") == column


@pytest.mark.parametrize(
    ("names", "target", "error", "message"),
    [
        (["species", "b"], "specis", ArgumentError, "target must be a column of t.csv.*did you mean 'species'"),
        (["a", "b"], "price", ArgumentError, "choose among a, b"),
        (["a", ""], None, DataError, "t.csv: column 2 must be named"),
        (
            ["a", "b", "a"],
            None,
            DataError,
            "t.csv: column 3 must be named, and named differently from the others, got 'a'",
        ),
        (["a"], None, DataError, "at least two columns.*add a target column"),
        (["a;b;c"], None, DataError, "separate the columns by commas"),
        ([], None, DataError, "got no columns"),
    ],
)
def test_columns_that_cannot_be_told(names, target, error, message):
    with pytest.raises(error, match=message):
        target_column(names, target, "t.csv")


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (np.arange(100) % 50, True),
        (np.arange(200) % 51, False),  # too many different
        (np.array([3, 1, 3, 1]), True),
        (np.array([3, 1, 2]), False),  # hardly one repeated
    ],
)
def test_few_integers_are_labels_and_many_are_quantities(values, labels):
    result = as_target(values)
    assert result.dtype == (np.int64 if labels else np.float64)
    np.testing.assert_array_equal(result, values)


def test_other_columns_stay():
    for values in (np.array(["a", "b"]), np.array([0.5, 1.0]), np.array([True, False])):
        assert as_target(values) is values
