from __future__ import annotations

import pytest

from minisgd.errors import ArgumentError
from minisgd.lab.study.grid import (
    default_batch_sizes,
    lattice,
    nearest,
    resolve_batch_sizes,
    resolve_learning_rates,
    window,
)


def test_default_sizes_are_powers_of_four_and_the_full_batch():
    assert default_batch_sizes(1438) == [1, 4, 16, 64, 256, 1024, 1438]
    assert default_batch_sizes(1025) == [1, 4, 16, 64, 256, 1025]  # 1024 would repeat the full batch
    assert default_batch_sizes(2) == [1, 2]
    assert default_batch_sizes(1) == [1]


def test_sizes_are_sorted_and_full_is_n():
    assert resolve_batch_sizes(["full", 8, 8, 1], 100) == [1, 8, 100]


@pytest.mark.parametrize("sizes", [[], [0], [101], ["ful"], [2.5], [True]])
def test_bad_sizes(sizes):
    with pytest.raises(ArgumentError, match="batch_sizes must be"):
        resolve_batch_sizes(sizes, 100)


@pytest.mark.parametrize("rates", [[], [0.0], [-1], [float("nan")], [float("inf")], ["0.1"]])
def test_bad_learning_rates(rates):
    with pytest.raises(ArgumentError, match="learning_rates must be"):
        resolve_learning_rates(rates)


def test_lattice_is_logarithmic_with_round_decades():
    assert [lattice(k) for k in (-4, -3, -2, -1, 0)] == [0.1, 0.178, 0.316, 0.562, 1.0]
    assert all(nearest(lattice(k)) == k for k in range(-40, 20))
    assert window(2) == [-1, 0, 1, 2, 3, 4, 5]
