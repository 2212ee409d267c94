from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisgd.data.holdout import allocate, hold_out, sample
from minisgd.errors import DataError

groups = st.lists(st.integers(0, 6), min_size=2, max_size=80).map(np.array)


@given(groups, st.floats(0.01, 0.99), st.integers(0, 5))
def test_holding_out_divides_the_rows_and_loses_no_class(groups, fraction, seed):
    counts = np.bincount(groups)
    if counts.max() < 2:
        with pytest.raises(DataError, match="y must be labels with two examples"):
            hold_out(groups, fraction, np.random.default_rng(seed))
        return
    stay, held = hold_out(groups, fraction, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.sort(np.concatenate([stay, held])), np.arange(len(groups)))
    assert (np.diff(stay) > 0).all() and (np.diff(held) > 0).all()
    kept, out = np.bincount(groups[stay], minlength=7), np.bincount(groups[held], minlength=7)
    for c, count in enumerate(counts):
        assert kept[c] >= min(1, count) and out[c] >= (count > 1)
    low, high = (counts > 1).sum(), np.maximum(counts - 1, 0).sum()
    assert len(held) == np.clip(round(fraction * len(groups)), low, high)


def test_shares_are_kept():
    groups = np.repeat([0, 1, 2], [700, 200, 100])
    _, held = hold_out(groups, 0.25, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(groups[held]), [175, 50, 25])


@given(groups, st.data())
def test_a_sample_has_the_size_asked_for_and_every_class_that_fits(groups, data):
    n = data.draw(st.integers(1, len(groups)))
    rows = sample(groups, n, np.random.default_rng(0))
    assert len(rows) == n == len(np.unique(rows))
    present = len(np.unique(groups))
    if n >= present:
        assert len(np.unique(groups[rows])) == present


def test_the_generator_decides():
    groups = np.zeros(100, dtype=np.int64)
    first, again, other = (hold_out(groups, 0.3, np.random.default_rng(seed))[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_allocation_by_largest_remainder():
    counts = np.array([5, 3, 2])
    free = np.zeros(3, dtype=np.int64)
    np.testing.assert_array_equal(allocate(counts, 4, free, counts), [2, 1, 1])  # ideal 2, 1.2, 0.8
    np.testing.assert_array_equal(allocate(counts, 4, np.array([0, 0, 2]), counts), [1, 1, 2])
    np.testing.assert_array_equal(allocate(counts, 99, free, counts), counts)


def test_many_classes_do_not_take_long():
    groups = np.arange(200_000) // 2
    stay, held = hold_out(groups, 0.1, np.random.default_rng(0))
    assert len(stay) == len(held) == 100_000
