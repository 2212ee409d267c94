"""What the CPU does in its own way: alignment, and random numbers without a state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (1000,)])
def test_memory_starts_on_a_cache_line(dtype: str, shape: Any) -> None:
    ops = NumpyOps()
    for allocate in (ops.empty, ops.zeros):
        array = allocate(shape, dtype)
        assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
        assert array.size == 0 or ops.address(array) % 64 == 0
    assert not ops.zeros(shape, dtype).any()


def uniform(seeds: Any = (0,), clock: int = 0, stream: int = 0, shape: Any = (1, 100), dtype: str = "float64") -> Any:
    out = np.empty(shape, dtype)
    NumpyOps().uniform(seeds, np.array(clock), stream, out=out)
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers_are_a_pure_function_of_their_names(dtype: str) -> None:
    base = uniform(dtype=dtype)
    assert_array_equal(base, uniform(dtype=dtype))
    assert ((base >= 0) & (base < 1)).all()
    for other in (uniform((1,), dtype=dtype), uniform(clock=1, dtype=dtype), uniform(stream=1, dtype=dtype)):
        assert not (other == base).any()
    assert_array_equal(uniform(shape=(1, 10), dtype=dtype), base[:, :10])


def test_every_replica_draws_what_it_would_draw_alone() -> None:
    stack = uniform((7, 8, 2**64 - 1), shape=(3, 4, 5))
    for r, seed in enumerate((7, 8, 2**64 - 1)):
        assert_array_equal(stack[r], uniform((seed,), shape=(4, 5)))


def test_consecutive_times_do_not_overlap() -> None:
    """The clock is the slowest word of the counter: a step could draw 2^192 blocks before meeting the next."""
    numbers = np.concatenate([uniform(clock=t, shape=(1, 5000)).ravel() for t in range(5)])
    assert len(np.unique(numbers)) == numbers.size
    assert abs(numbers.mean() - 0.5) < 5 / np.sqrt(12 * numbers.size)
    assert abs(numbers.var() - 1 / 12) < 0.002


def test_the_clock_is_read_at_replay() -> None:
    ops, clock, out = NumpyOps(), np.array(0), np.empty((1, 5))
    with ops.record() as program:
        ops.uniform([3], clock, 2, out=out)
    for t in (0, 5):
        clock[...] = t
        program.replay()
        assert_array_equal(out, uniform((3,), t, 2, (1, 5)))
