from __future__ import annotations

import numpy as np
import pytest

from minisgd.data import checks
from minisgd.data.checks import about, as_features, as_images, as_weight, check_finite
from minisgd.errors import ArgumentError, DataError


class OnDevice:
    """An array that, like CuPy's, refuses to be converted in silence."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")


class Sparse:
    """A matrix of scipy.sparse, as far as it matters here."""

    def toarray(self):
        raise AssertionError("never converted in silence")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("u1", "u1"), ("f4", "f4"), ("f8", "f8"), ("f2", "f4"), ("g", "f8"), ("?", "f4"), ("i1", "f4"), ("i8", "f4"),
     ("u8", "f4"), (">f4", "f4"), (">f8", "f8")],
)  # fmt: skip
def test_features_keep_bytes_and_floats_and_become_float32_otherwise(given, kept):
    x = np.array([[0, 1], [1, 0]]).astype(given)
    result = as_features(x)
    assert result.dtype == np.dtype(kept) and result.dtype.isnative
    np.testing.assert_array_equal(result, [[0, 1], [1, 0]])
    assert (result is x) == (x.dtype == np.dtype(kept))


def test_fortran_order_becomes_c_order():
    x = as_features(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    assert x.flags.c_contiguous
    np.testing.assert_array_equal(x, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([["a", "b"]]), "real numbers, got dtype <U1"),
        (np.array([[1, None]], dtype=object), "got dtype object"),
        (np.array([[1j]]), "got dtype complex128"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), "got dtype datetime64"),
        (np.zeros(2, dtype=[("a", "f4")]), "real numbers"),
        ([[1.0, 2.0], [3.0]], "rows of equal length, got list"),
        (OnDevice(), "in host memory .*, got OnDevice"),
        (np.ma.masked_array([[1.0]]), "a masked array"),
        (Sparse(), r"a dense array, got a sparse Sparse; call .toarray\(\)"),
    ],
)
def test_what_is_not_an_array_of_numbers_is_refused(x, message):
    with pytest.raises(DataError, match=message):
        as_features(x)


def test_a_memory_map_is_kept_or_refused_never_converted(tmp_path):
    for dtype in ("u1", "f4", "f8"):
        np.save(tmp_path / "x.npy", np.ones((3, 2), dtype))
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        assert as_features(mapped) is mapped
    for x in (np.ones((3, 2), "i2"), np.ones((3, 2), ">f4"), np.asfortranarray(np.ones((3, 2)))):
        np.save(tmp_path / "x.npy", x)
        with pytest.raises(DataError, match="in C order when memory-mapped.*convert the file once"):
            as_features(np.load(tmp_path / "x.npy", mmap_mode="r"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
def test_the_first_row_that_is_not_finite_is_named(bad, chunk, monkeypatch):
    monkeypatch.setattr(checks, "_CHUNK", chunk)
    x = np.zeros((9, 2, 2), dtype=np.float32)
    check_finite(x, "x")
    x[7, 1, 1] = bad
    x[8] = np.nan
    with pytest.raises(DataError, match=f"x must be finite everywhere, got {bad} in row 7;"):
        check_finite(x, "x")


def test_weights_become_floats():
    assert as_weight([1, 2]).dtype == np.float64
    assert as_weight(np.ones(2, np.float16)).dtype == np.float32
    with pytest.raises(DataError, match="weight must be an array of numbers"):
        as_weight(["heavy"])


def test_grey_byte_images_get_a_channel():
    grey = np.zeros((2, 5, 4), dtype=np.uint8)
    assert as_images(grey).shape == (2, 5, 4, 1) and np.shares_memory(as_images(grey), grey)
    for other in (np.zeros((2, 5, 4, 3), np.uint8), np.zeros((2, 5), np.uint8), np.zeros((2, 5, 4))):
        assert as_images(other) is other


def test_about_names_the_place_and_keeps_the_kind():
    with pytest.raises(ArgumentError, match="^data.csv: x must be small, got 3; shrink it$"), about("data.csv"):
        raise ArgumentError("x", expected="small", got=3, fix="shrink it")
