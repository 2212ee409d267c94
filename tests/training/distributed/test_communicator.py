"""What ranks say to each other."""

import numpy as np
import pytest

import minisgd as ms
from tests.training.distributed.ranks import Meeting, ThreadRanks, on_ranks


@pytest.mark.parametrize("size, shards", [(1, 8), (2, 8), (3, 12), (4, 8), (5, 10), (8, 8), (16, 16)])
def test_shards_by_default(size, shards):
    ranks = [ThreadRanks(rank, Meeting(size)) for rank in range(size)]
    assert {each.shards for each in ranks} == {shards}
    assert [s for each in ranks for s in each.own] == list(range(shards))


@pytest.mark.parametrize("size, shards", [(3, 8), (2, 6), (4, 2), (2, 0), (1, 2.5), (1, True)])
def test_shards_that_are_no_subtrees_are_refused(size, shards):
    with pytest.raises(ms.ArgumentError, match="shards must be"):
        ThreadRanks(0, Meeting(size), shards)


def test_one_rank_may_have_any_shards():
    assert list(ThreadRanks(0, Meeting(1), 7).own) == list(range(7))


def test_a_flag_of_one_is_that_of_all():
    assert on_ranks(3, lambda ranks: ranks.agree([ranks.rank == 1, False])) == [(True, False)] * 3


def test_what_differs_is_named_on_every_rank():
    def work(ranks):
        with pytest.raises(ms.ArgumentError, match="lr must be the same on all ranks, got .* rank 2 differs"):
            ranks.require_same({"data": "digits", "lr": "0.1" if ranks.rank < 2 else "0.2"})
        ranks.require_same({"data": "digits"})
        return True

    assert all(on_ranks(3, work))


def test_a_gathered_array_has_a_row_for_each_rank():
    rows = on_ranks(2, lambda ranks: ranks.gather(np.array([ranks.rank, 7])))
    assert [row.tolist() for row in rows] == [[[0, 7], [1, 7]]] * 2


def test_a_device_is_refused_by_the_name_of_what_takes_it():
    with pytest.raises(ms.ArgumentError, match=r"pass communicator=ms.distributed.nccl\(\)"):
        ThreadRanks(0, Meeting(1)).require_device("cuda")
