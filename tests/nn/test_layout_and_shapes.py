"""Views into the flat vector, and reshapes that refuse to copy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps
from minisgd.nn.layout import Layout
from minisgd.nn.shapes import reshaped, rows, transpose


def test_segments_follow_each_other_without_gaps() -> None:
    layout = Layout([("a", (2, 3), "weight"), ("b", (4,), "bias"), ("c", (), "norm")])
    assert [(s.name, s.offset, s.stop, s.size) for s in layout] == [("a", 0, 6, 6), ("b", 6, 10, 4), ("c", 10, 11, 1)]
    assert (layout.size, len(layout)) == (11, 3)


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_a_view_is_the_same_memory(lead: tuple[int, ...]) -> None:
    layout = Layout([("a", (2, 3), "weight"), ("b", (4,), "bias")])
    vector = np.arange(np.prod((*lead, 10))).reshape(*lead, 10)
    for segment in layout:
        view = segment.view(vector)
        assert view.shape == (*lead, *segment.shape)
        assert np.shares_memory(view, vector)
        assert_array_equal(view.reshape(*lead, -1), vector[..., segment.offset : segment.stop])


@pytest.mark.parametrize("x", [np.zeros((4, 6)), NumpyOps().zeros((4, 6), "float32"), np.zeros((8, 6))[2:6]])
def test_reshaping_is_a_view(x: np.ndarray) -> None:
    assert np.shares_memory(reshaped(x, (2, 2, 6)), x)
    assert np.shares_memory(reshaped(x[:2], (2, 3, 2)), x)
    assert reshaped(np.broadcast_to(x, (3, 4, 6)), (3, 24)).strides[0] == 0


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (np.zeros((4, 6)).T, (24,)),
        (np.zeros((4, 6))[:, :3], (12,)),
        (np.broadcast_to(np.zeros((3, 1)), (3, 4)), (12,)),
        (NumpyOps().zeros((4, 6), "float32").T, (24,)),
    ],
)
def test_reshaping_that_would_copy_is_an_error(x: np.ndarray, shape: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match="would copy"):
        reshaped(x, shape)


def test_rows_and_transpose() -> None:
    x = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    assert rows(x, (2,)).shape == (2, 60, 6)
    assert rows(x[0], ()).shape == (60, 6)
    assert_array_equal(transpose(x)[1, 2, 3, 4, 5 - 1], x[1, 2, 3, 4, 4])
    assert transpose(x).shape == (2, 3, 4, 6, 5)
