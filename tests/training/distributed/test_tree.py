"""The order of a sum: that of a binary tree, whoever adds up its aligned runs."""

import pytest

from minisgd.training.distributed.tree import pairwise_sum


def paired(left, right):
    return f"({left}{right})"


@pytest.mark.parametrize(
    "n, order", [(1, "0"), (2, "(01)"), (3, "((01)2)"), (4, "((01)(23))"), (7, "(((01)(23))((45)6))")]
)
def test_the_order_is_that_of_a_binary_tree(n, order):
    assert pairwise_sum(paired, map(str, range(n))) == order


@pytest.mark.parametrize("ranks, share", [(1, 8), (2, 4), (4, 2), (8, 1), (3, 4), (6, 2)])
def test_ranks_add_up_subtrees(ranks, share):
    runs = [[str(s) for s in range(r * share, (r + 1) * share)] for r in range(ranks)]
    assert pairwise_sum(paired, [pairwise_sum(paired, run) for run in runs]) == pairwise_sum(paired, sum(runs, []))


def test_a_term_is_asked_for_when_its_place_is_free():
    """Term k is computed into slot popcount(k): no sum that still waits may be there."""
    slots: dict[int, str] = {}

    def terms():
        for k in range(13):
            slot = k.bit_count()
            slots[slot] = str(k)
            yield slot

    def add(left, right):
        slots[left] = paired(slots[left], slots[right])
        return left

    assert slots[pairwise_sum(add, terms())] == pairwise_sum(paired, map(str, range(13)))
