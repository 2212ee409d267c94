from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from minisgd.data.sampling import Sampler, Sequential, Shuffled, WithReplacement
from minisgd.errors import ArgumentError

KINDS = (Shuffled, Sequential, WithReplacement)
kinds = st.sampled_from(KINDS)
sizes = st.integers(1, 40)
seeds = st.lists(st.integers(0, 3), min_size=1, max_size=5)


def epoch_of(sampler: Sampler, batch_size: int) -> np.ndarray:
    """Draw one whole epoch in batches: (R, N)."""
    batches = [sampler.next(batch_size).copy()]
    while sampler.batches_left(batch_size):
        batches.append(sampler.next(batch_size).copy())
    return np.concatenate(batches, axis=1)


@given(st.sampled_from((Shuffled, Sequential)), sizes, seeds, sizes)
def test_each_epoch_is_a_permutation(kind, n, seeds, batch_size):
    sampler = kind(n, seeds)
    for epoch in (1, 2, 3):
        drawn = epoch_of(sampler, batch_size)
        assert sampler.epoch == epoch and sampler.left == 0
        assert drawn.shape == (len(seeds), n) and drawn.dtype == np.int64
        np.testing.assert_array_equal(np.sort(drawn, axis=1), np.tile(np.arange(n), (len(seeds), 1)))


@given(kinds, sizes, seeds)
def test_equal_seeds_draw_equal_rows_and_each_row_is_what_its_seed_draws_alone(kind, n, seeds):
    together = epoch_of(kind(n, seeds), 7)
    for row, seed in zip(together, seeds, strict=True):
        np.testing.assert_array_equal(row, epoch_of(kind(n, [seed]), 5)[0])


@given(kinds, sizes, st.lists(sizes, min_size=1, max_size=20))
def test_the_order_does_not_depend_on_batch_sizes(kind, n, batch_sizes):
    resized, steady = kind(n, [3, 5]), kind(n, [3, 5])
    drawn = np.concatenate([resized.next(b).copy() for b in batch_sizes], axis=1)
    expected = np.concatenate([steady.next(1).copy() for _ in range(drawn.shape[1])], axis=1)
    np.testing.assert_array_equal(drawn, expected)
    assert (resized.epoch, resized.left) == (steady.epoch, steady.left)


@given(kinds, st.sampled_from(("use", "drop")), seeds, st.lists(st.integers(1, 10), max_size=12), st.booleans())
def test_a_restored_sampler_continues_bit_for_bit(kind, last, seeds, batch_sizes, begun):
    whole = kind(10, seeds, last=last)
    for batch_size in batch_sizes:
        whole.next(batch_size)
    if begun:
        whole.begin_epoch()
    resumed = kind(10, [99], last=last)
    resumed.restore(json.loads(json.dumps(whole.state())))
    assert resumed.state() == whole.state()
    for batch_size in (3, 4, 10, 1, 6, 2):
        np.testing.assert_array_equal(resumed.next(batch_size), whole.next(batch_size))


@given(kinds, seeds, st.data())
def test_kept_replicas_go_on_unchanged(kind, seeds, data):
    mask = data.draw(st.lists(st.booleans(), min_size=len(seeds), max_size=len(seeds)))
    part, whole = kind(11, seeds), kind(11, seeds)
    for sampler in (part, whole):
        sampler.next(4)
    part.keep(np.flatnonzero(mask))
    for batch_size in (4, 3, 5, 11):
        expected = whole.next(batch_size)[np.array(mask)]
        np.testing.assert_array_equal(part.next(batch_size), expected)


@given(kinds, sizes, sizes)
def test_a_short_last_batch_is_used_or_dropped(kind, n, batch_size):
    use = kind(n, [0])
    shapes = [use.next(batch_size).shape[1] for _ in range(-(-n // batch_size))]
    assert shapes == [batch_size] * (n // batch_size) + [n % batch_size] * bool(n % batch_size)
    assert use.epoch == 1 and use.batches_left(batch_size) == 0

    drop = kind(n, [0], last="drop")
    if batch_size > n:
        with pytest.raises(ArgumentError, match="batch_size must be at most N"):
            drop.next(batch_size)
        assert drop.epoch == 0
        return
    batches = [drop.next(batch_size).copy() for _ in range(2 * (n // batch_size))]
    assert {batch.shape for batch in batches} == {(1, batch_size)} and drop.epoch == 2
    use.restore({**use.state(), "epoch": 0, "left": 0})
    np.testing.assert_array_equal(batches[0], use.next(batch_size))


def test_epochs_seeds_and_kinds_differ():
    sampler = Shuffled(50, [0, 1])
    first, second = sampler.next(50).copy(), sampler.next(50).copy()
    assert (first[0] != first[1]).any() and (first != second).any(axis=1).all()
    np.testing.assert_array_equal(Sequential(5, [7]).next(5), [[0, 1, 2, 3, 4]])


def test_draws_with_replacement_are_uniform():
    sampler = WithReplacement(10, [0])
    counts = np.bincount(np.concatenate([sampler.next(10)[0].copy() for _ in range(2000)]), minlength=10)
    # 20,000 draws, 2,000 a number with standard deviation 42.4
    assert np.abs(counts - 2000).max() < 5 * 42.4
    repeated = sum(len(np.unique(sampler.next(10))) < 10 for _ in range(50))
    assert repeated > 45


def test_begin_epoch_leaves_the_rest_behind():
    sampler, whole = Shuffled(9, [1]), Shuffled(9, [1])
    sampler.next(2)
    assert sampler.left == 7
    sampler.begin_epoch()
    assert (sampler.epoch, sampler.left) == (2, 9)
    whole.next(9)
    np.testing.assert_array_equal(sampler.next(9), whole.next(9))


def test_one_seed_per_replica_needs_no_copy():
    sampler = Shuffled(8, [0, 1])
    assert np.shares_memory(sampler.next(3), sampler._order)


def test_nobody_kept_draws_empty_batches():
    sampler = Shuffled(8, [0, 1])
    sampler.keep([])
    assert sampler.next(3).shape == (0, 3)


def test_fewer_than_the_least_are_left_out():
    sampler = Sequential(7, [0])
    sampler.least = 2
    assert [sampler.next(b).tolist() for b in (3, 3, 5, 2)] == [[[0, 1, 2]], [[3, 4, 5]], [[0, 1, 2, 3, 4]], [[5, 6]]]
    assert sampler.epoch == 2 and sampler.batches_left(3) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda kind: kind(0, [0]), "n must be"),
        (lambda kind: kind(5, []), "seeds must be"),
        (lambda kind: kind(5, [-1]), "seeds must be"),
        (lambda kind: kind(5, [0], last="keep"), "last must be"),
        (lambda kind: kind(5, [0]).next(0), "batch_size must be"),
        (lambda kind: kind(5, [0]).restore({}), "state must be"),
        (lambda kind: kind(5, [0]).restore(kind(6, [0]).state()), "state must be"),
        (lambda kind: kind(5, [0]).restore({**kind(5, [0]).state(), "sampler": "Other"}), "state must be"),
    ],
)
def test_bad_arguments_are_refused(kind, call, argument):
    with pytest.raises(ArgumentError, match=argument):
        call(kind)


def test_looking_forward_and_going_back_change_no_batch():
    sampler, plain = Shuffled(10, [3, 4]), Shuffled(10, [3, 4])
    for _ in range(7):
        assert sampler.coming(4) == sampler.coming(4)
        sampler.skip(2)
        sampler.skip(-2)
        assert_array_equal(sampler.next(4), plain.next(4))
    sampler.begin_epoch(), plain.begin_epoch()
    rows = sampler.next(8)  # two batches at once
    assert_array_equal(rows, np.hstack([plain.next(4).copy(), plain.next(4)]))
