"""A sum whose order is fixed: floating-point addition is not associative, so how terms are paired decides the bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def pairwise_sum(add: Callable[[T, T], T], terms: Iterable[T]) -> T:
    """Add up terms as they come, in the order of a binary tree: ((0 + 1) + (2 + 3)) + …

    The sums of aligned runs of 2^k terms are nodes of the tree: added up one by one first, and then with one another,
    they give the same bits. When term k is asked for, as many sums are waiting as k has binary ones.
    """
    waiting: list[tuple[int, T]] = []  # (terms, their sum), each of fewer terms than the one before
    for term in terms:
        count = 1
        while waiting and waiting[-1][0] == count:
            term, count = add(waiting.pop()[1], term), 2 * count
        waiting.append((count, term))
    _, total = waiting.pop()
    while waiting:
        total = add(waiting.pop()[1], total)
    return total
