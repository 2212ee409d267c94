"""Dropout: which values it drops is a pure function of seed, clock, stream and position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.nn import Dropout, Linear, Sequential
from tests.nn.layer_bench import Bench


def masks(seeds: Any = 0, clock: int = 0, b: int = 64, largest: int | None = None) -> list[Any]:
    """Return the masks of two dropout layers after one forward pass."""
    bench = Bench([Dropout(0.5), Sequential(Linear(32), Dropout(0.5))], (32,), b, seeds=seeds, largest=largest)
    bench.clock[...] = clock
    bench.forward()
    inner: Any = bench.network.layers[1]
    return [np.array(layer.mask) for layer in (bench.network.layers[0], inner.layers[1])]  # type: ignore[attr-defined]


def differ(a: Any, b: Any) -> bool:
    """Tell whether two masks agree no more often than chance has them."""
    return bool(0.4 < (a != b).mean() < 0.6)


def test_the_same_draw_gives_the_same_mask() -> None:
    for a, b in zip(masks(seeds=3, clock=9), masks(seeds=3, clock=9), strict=True):
        assert_array_equal(a, b)


def test_layers_steps_and_seeds_differ() -> None:
    first, second = masks()
    assert differ(first, second)
    assert differ(first, masks(clock=1)[0])
    assert differ(first, masks(seeds=1)[0])


def test_replicas_differ_and_are_what_single_networks_draw() -> None:
    stack = masks(seeds=[5, 6])
    assert differ(stack[0][0], stack[0][1])
    for r, seed in enumerate([5, 6]):
        for a, b in zip(stack, masks(seeds=seed), strict=True):
            assert_array_equal(a[r], b)


def test_a_short_batch_draws_the_first_rows_of_the_full_one() -> None:
    assert_array_equal(masks(b=64)[0][:10], masks(b=10, largest=64)[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_the_share_dropped_is_p_and_the_mean_is_preserved(p: float, dtype: str) -> None:
    bench = Bench([Dropout(p)], (200,), 500, dtype=dtype)
    bench.x[...] = 1
    bench.forward()
    n, kept = bench.z.size, bench.z != 0
    assert abs(kept.mean() - (1 - p)) <= 5 * np.sqrt(p * (1 - p) / n)
    assert_allclose(np.unique(bench.z[kept]), [1 / (1 - p)], rtol=1e-6)
    assert abs(bench.z.mean() - 1) <= 5 * np.sqrt(p / (1 - p) / n) + 1e-6


def test_p_0_is_the_identity_both_ways() -> None:
    bench = Bench([Dropout(0)], (7,), 5)
    bench.fill(np.random.default_rng(0))
    found = bench.results()
    assert_array_equal(found["z"], bench.x)
    assert_array_equal(found["dx"], bench.target * (1 / 5))


def test_evaluation_is_the_identity() -> None:
    x = np.random.default_rng(0).normal(size=(9, 7))
    assert_array_equal(Bench([Dropout(0.9)], (7,), 5, seeds=[1, 2]).network.predict(x), np.stack([x, x]))


def test_the_time_is_read_at_replay() -> None:
    bench = Bench([Dropout(0.5)], (64,), 64)
    bench.x[...] = 1
    program, seen = bench.record(), []
    for clock in (0, 1, 0):
        bench.clock[...] = clock
        program.replay()
        seen.append(np.array(bench.z))
    assert differ(seen[0], seen[1])
    assert_array_equal(seen[0], seen[2])
