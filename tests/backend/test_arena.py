"""Declared memory: plans add up, shorter batches and fewer replicas are slices, shared arrays are read-only views."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import OWNERS, Arena, NumpyOps, Plan, Request


def request(key: str = "a", shape: tuple[int, ...] = (4, 3), dtype: str = "float32", **options: bool) -> Request:
    return Request(key, shape, dtype, "activations", **options)


def test_bytes_are_known_before_anything_is_allocated() -> None:
    plan = Plan(
        [request(), Request("w", (5,), "float64", "parameters"), Request("d", (7,), "uint8", "data", shared=True)]
    )
    assert plan.bytes() == 48 + 40 + 7
    assert plan.bytes(replicas=3) == 3 * (48 + 40) + 7
    by_owner = plan.bytes_by_owner(3)
    assert list(by_owner) == list(OWNERS)
    assert (by_owner["activations"], by_owner["parameters"], by_owner["data"], by_owner["gradients"]) == (
        144,
        120,
        7,
        0,
    )


def test_a_key_takes_what_its_largest_request_takes() -> None:
    plan = Plan([request(shape=(2, 3))])
    plan.add([request(shape=(9, 3)), request(shape=(4, 3))])
    assert plan.bytes() == 9 * 3 * 4


@pytest.mark.parametrize("lead", [(), (1,), (3,), (2, 3)])
def test_an_arena_allocates_what_the_plan_says(lead: tuple[int, ...]) -> None:
    plan = Plan([request(), request("b", (2, 2), "float64"), request("s", (5,), shared=True)])
    arena = Arena(NumpyOps(), plan, lead)
    replicas = int(np.prod(lead))
    assert sum(storage.nbytes for storage in arena.storage.values()) == plan.bytes(replicas)
    assert arena.storage.keys() == {"a", "b", "s"}
    for storage in arena.storage.values():
        assert NumpyOps().address(storage) % 64 == 0 and not storage.any()


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_a_short_batch_is_a_slice_of_the_full_one(lead: tuple[int, ...]) -> None:
    arena = Arena(NumpyOps(), Plan([request(shape=(8, 3, 2))]), lead)
    full, short = arena.view(request(shape=(8, 3, 2)), lead), arena.view(request(shape=(5, 3, 2)), lead)
    full[...] = np.arange(full.size).reshape(full.shape)
    assert short.shape == (*lead, 5, 3, 2)
    assert np.shares_memory(short, full)
    assert_array_equal(short, full[..., :5, :, :])
    one = short[(0,) * len(lead)]
    assert one.flags.c_contiguous


def test_fewer_replicas_are_the_first_ones() -> None:
    arena = Arena(NumpyOps(), Plan([request()]), (4,))
    full, fewer = arena.view(request(), (4,)), arena.view(request(), (2,))
    full[...] = np.arange(full.size).reshape(full.shape)
    assert_array_equal(fewer, full[:2])
    assert np.shares_memory(fewer, full)


def test_the_same_key_under_another_shape_is_the_same_memory() -> None:
    arena = Arena(NumpyOps(), Plan([request(shape=(4, 6))]), (2,))
    assert np.shares_memory(arena.view(request(shape=(4, 6)), (2,)), arena.view(request(shape=(4, 2, 3)), (2,)))


def test_a_shared_array_is_seen_by_all_replicas_and_written_once() -> None:
    shared = request(shared=True)
    arena = Arena(NumpyOps(), Plan([shared]), (3,))
    seen, written = arena.view(shared, (3,)), arena.view(shared, ())
    written[...] = 7
    assert_array_equal(seen, np.full((3, 4, 3), 7))
    assert seen.strides[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        seen[...] = 1


def test_numbers_have_no_axes() -> None:
    arena = Arena(NumpyOps(), Plan([request(shape=())]), (3,))
    assert arena.view(request(shape=()), (3,)).shape == (3,)
    single = Arena(NumpyOps(), Plan([request(shape=())]), ())
    assert np.shares_memory(single.view(request(shape=()), ()), single.storage["a"])


def test_rows_of_replicas_begin_at_multiples_of_their_bytes():
    ops, padded = NumpyOps(), Request("w", (5,), "float32", "parameters", row_bytes=128)
    plan = Plan([padded])
    assert plan.bytes(3) == 3 * 128
    view = Arena(ops, plan, (3,)).view(padded, (3,))
    assert view.shape == (3, 5)
    assert view.strides == (128, 4)
