from __future__ import annotations

import numpy as np
import pytest

from minisgd.data.labels import target_encoder
from minisgd.errors import DataError


def encoded(y, classes=None):
    encode, classes = target_encoder(y, classes)
    return encode(y), classes


@pytest.mark.parametrize(
    ("y", "codes", "classes"),
    [
        (["dog", "cat", "dog"], [1, 0, 1], ("cat", "dog")),
        ([7, -3, 10], [1, 0, 2], ("-3", "7", "10")),
        (["10", "9", "-1"], [2, 1, 0], ("-1", "9", "10")),
        ([True, False], [1, 0], ("False", "True")),
        (np.array([3, 1], dtype=np.uint8), [1, 0], ("1", "3")),
        (np.array([2**64 - 1, 0], dtype=np.uint64), [1, 0], ("0", "18446744073709551615")),
        (np.array(["b", "a"], dtype=object), [1, 0], ("a", "b")),
        (np.array([5, 4], dtype=object), [1, 0], ("4", "5")),
        (np.array([b"b", b"a"]), [1, 0], ("a", "b")),
        (np.array(["b", "a"], dtype=np.dtypes.StringDType()), [1, 0], ("a", "b")),
        (np.array([[1], [0]]), [1, 0], ("0", "1")),
        (np.array(["é", "ß"]), [1, 0], ("ß", "é")),
    ],
)
def test_labels_of_any_kind_become_codes_of_sorted_names(y, codes, classes):
    result, names = encoded(y)
    assert result.dtype == np.int64 and names == classes
    np.testing.assert_array_equal(result, codes)


def test_other_splits_are_read_by_the_names_of_the_training_split():
    encode, _ = target_encoder(["a", "c", "b"])
    np.testing.assert_array_equal(encode(["c", "c"]), [2, 2])
    with pytest.raises(DataError, match="y must be labels among the 3 known classes, got 'd'"):
        encode(["a", "d"])


def test_named_classes_make_integers_codes_and_strings_names():
    np.testing.assert_array_equal(encoded([2, 0], ("x", "y", "z"))[0], [2, 0])
    np.testing.assert_array_equal(encoded(["z", "x"], ("x", "y", "z"))[0], [2, 0])
    with pytest.raises(DataError, match="codes from 0 to 1.*got 5 in row 1"):
        encoded([0, 5], ("x", "y"))
    encode, _ = target_encoder([0, 1], ("x", "y"))
    with pytest.raises(DataError, match="integers like the training labels"):
        encode(["x", "y"])


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
@pytest.mark.parametrize(("dtype", "kept"), [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("g", "f8"), (">f4", "f4")])
def test_floats_are_regression_targets_even_where_integral(shape, dtype, kept):
    result, classes = encoded(np.full(shape, 3.0, dtype=dtype))
    assert classes is None and result.shape == shape and result.dtype == np.dtype(kept) and result.dtype.isnative


def test_soft_labels_are_rows_of_probabilities():
    y = np.array([[0.25, 0.75], [1.0, 0.0]])
    result, classes = encoded(y, ("a", "b"))
    assert classes == ("a", "b")
    np.testing.assert_array_equal(result, y)
    with pytest.raises(DataError, match="rows of probabilities that sum to 1, got .* in row 1"):
        encoded(np.array([[0.5, 0.5], [0.5, 0.6]]), ("a", "b"))
    with pytest.raises(DataError, match="in row 0"):
        encoded(np.array([[-0.5, 1.5]]), ("a", "b"))
    with pytest.raises(DataError, match=r"soft labels of shape \(N, 2\)"):
        encoded(np.zeros(3), ("a", "b"))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, 1, 1], "at least two classes, got only '1'; add examples of another class"),
        (np.array([], dtype=int), "at least one label"),
        (2 * np.eye(3, dtype=int), r"shape \(N,\), got shape \(3, 3\); use y.argmax"),
        (np.array(3), r"got shape \(\)"),
        (np.array(["a", None], dtype=object), "got None in row 1"),
        (np.array(["a", 1], dtype=object), "got 1 in row 1"),
        (np.array(["a", np.nan], dtype=object), "got nan in row 1"),
        (np.array([1.5, 2.5], dtype=object), "got 1.5 in row 0"),
        (np.array([1j, 2j]), "got dtype complex128"),
        (np.array(["2020-01-01", "2021-01-01"], dtype="M8[D]"), "got dtype datetime64"),
        ([[1], [1, 2]], "rows of equal length"),
        (np.ma.masked_array([0, 1]), "a plain array"),
    ],
)
def test_what_cannot_be_a_target_is_refused(y, message):
    with pytest.raises(DataError, match=message):
        encoded(y)
