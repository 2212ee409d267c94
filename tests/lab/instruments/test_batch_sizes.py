from __future__ import annotations

import pytest

import minisgd as ms
from minisgd.lab.instruments.batch_sizes import choose_batch_sizes

PLAIN = ms.Network(ms.Linear(3)).build((4,))
COUPLED = ms.Network(ms.Linear(3), ms.BatchNorm(), ms.Linear(3)).build((4,))


def test_powers_of_two_by_default():
    assert choose_batch_sizes(None, PLAIN, 40) == [1, 2, 4, 8, 16, 32]
    assert choose_batch_sizes(None, PLAIN, 5000)[-1] == 1024


def test_a_batch_of_one_is_left_out_where_examples_are_coupled():
    assert choose_batch_sizes(None, COUPLED, 8) == [2, 4, 8]


@pytest.mark.parametrize("given", [[8], [8, 8], [0, 8], [8, 41], [8, True], [8, 1.5]])
def test_bad_sizes_are_refused(given):
    with pytest.raises(ms.ArgumentError, match="batch_sizes"):
        choose_batch_sizes(given, PLAIN, 40)
