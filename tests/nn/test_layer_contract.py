"""What every layer and every loss promises beside its formula: replicas, dtypes, recording, memory, short batches."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.nn import Flatten, Linear
from minisgd.nn.binding import Binder
from tests.nn.layer_bench import Apart, Bench
from tests.nn.layer_tables import CASES, LAYERS, LOSSES

SHAPES = {"features": (5,), "sequences": (4, 6), "images": (4, 5, 2)}
FLOATS = [pytest.param("float32", 1e-6, id="float32"), pytest.param("float64", 1e-12, id="float64")]
PARTS = [("layer", *case) for case in CASES] + [("loss", name, "features") for name in LOSSES]
PART = pytest.mark.parametrize(("what", "name", "kind"), PARTS)


def bench_of(what: str, name: str, kind: str, b: int = 6, shape: Any = None, **options: Any) -> tuple[Bench, Any]:
    """Return a bench for one row of the tables, and how to draw its targets."""
    shape = shape or SHAPES[kind]
    if what == "layer":
        return Bench([LAYERS[name].make(shape), Flatten()], shape, b, weighted=True, **options), None
    row = LOSSES[name]
    return Bench([Linear(4)], shape, b, loss=row.make(), kind=row.kind, weighted=True, **options), row.draw


def assert_same(actual: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare bit for bit."""
    assert actual.keys() == expected.keys()
    for name in actual:
        assert_array_equal(actual[name], expected[name], err_msg=name)


@PART
@pytest.mark.parametrize(("dtype", "tolerance"), FLOATS)
def test_a_stack_of_replicas_is_as_many_single_networks(
    what: str, name: str, kind: str, dtype: str, tolerance: float
) -> None:
    seeds = [7, 8, 9]
    stack, draw = bench_of(what, name, kind, seeds=seeds, dtype=dtype)
    stack.fill(np.random.default_rng(0), draw)
    singles = []
    for r, seed in enumerate(seeds):
        single, _ = bench_of(what, name, kind, seeds=seed, dtype=dtype)
        single.take_from(stack, replica=r)
        singles.append(single.results())
    found = stack.results()
    for key, array in found.items():
        expected = np.stack([single[key] for single in singles])
        assert_allclose(array, expected, rtol=tolerance, atol=tolerance, err_msg=key)


@PART
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_keeps_the_dtype(what: str, name: str, kind: str, dtype: str) -> None:
    bench, draw = bench_of(what, name, kind, dtype=dtype)
    bench.fill(np.random.default_rng(0), draw)
    for key, array in bench.results().items():
        assert array.dtype == dtype, key
    for key, array in bench.attached().items():
        assert array.dtype in (dtype, "bool", "int64"), key
    program = bench.record()
    for call in program:
        floats = {a.dtype for a in [*call.reads, call.out] if a.dtype.kind == "f"}
        assert floats <= {np.dtype(dtype)}, call.op


@PART
def test_replaying_is_executing_bit_for_bit(what: str, name: str, kind: str) -> None:
    eager, draw = bench_of(what, name, kind, dtype="float32", seeds=[1, 2])
    recorded, _ = bench_of(what, name, kind, dtype="float32", seeds=[1, 2])
    rng = np.random.default_rng(0)
    eager.fill(rng, draw)
    with recorded.ops.record() as program:
        dx = recorded.step()
    recorded.take_from(eager)
    assert not recorded.gradient.any()  # recording computes nothing
    for _ in range(3):
        eager.clock += 1
        recorded.clock += 1
        program.replay()
        assert_same(recorded.snapshot(dx), eager.results())


@PART
def test_replaying_allocates_nothing_of_array_size(what: str, name: str, kind: str) -> None:
    shape = {"features": (512,), "sequences": (16, 36), "images": (16, 16, 8)}[kind]
    bench, draw = bench_of(what, name, kind, b=256, shape=shape)
    bench.fill(np.random.default_rng(0), draw)
    program = bench.record()
    program.replay()
    tracemalloc.start()
    try:
        for _ in range(10):
            program.replay()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert bench.x.nbytes >= 1 << 20
    assert peak < 250_000  # NumPy's own casting buffers, and the chunks of erf


@PART
def test_a_short_batch_is_that_batch(what: str, name: str, kind: str) -> None:
    bench, draw = bench_of(what, name, kind, b=6, seeds=[1, 2])
    bench.fill(np.random.default_rng(0), draw)
    bench.step()  # memory is no longer clean
    bench.bind(3)
    bench.fill(np.random.default_rng(1), draw)
    fresh, _ = bench_of(what, name, kind, b=3, seeds=[1, 2])
    fresh.take_from(bench)
    assert_same(bench.results(), fresh.results())


@PART
def test_shared_storage_changes_nothing(what: str, name: str, kind: str) -> None:
    shared, draw = bench_of(what, name, kind, binder=Binder)
    apart, _ = bench_of(what, name, kind, binder=Apart)
    shared.fill(np.random.default_rng(0), draw)
    apart.take_from(shared)
    assert_same(shared.results(), apart.results())


@PART
def test_backward_leaves_what_forward_kept(what: str, name: str, kind: str) -> None:
    bench, draw = bench_of(what, name, kind)
    bench.fill(np.random.default_rng(0), draw)
    first = bench.results()
    bench.forward()
    bench.network.backward(bench.ops, bench.loss.gradient(bench.ops))
    bench.loss.mean(bench.ops, bench.target)
    again = bench.snapshot(bench.network.backward(bench.ops, bench.loss.gradient(bench.ops)))
    assert_same({k: again[k] for k in ("gradient", "dx")}, {k: first[k] for k in ("gradient", "dx")})


@PART
def test_nan_reaches_the_loss(what: str, name: str, kind: str) -> None:
    bench, draw = bench_of(what, name, kind)
    bench.fill(np.random.default_rng(0), draw)
    tokens = what == "layer" and LAYERS[name].tokens
    (bench.network.vector if tokens else bench.x)[...] = np.nan
    bench.forward()
    assert np.isnan(bench.loss.value)
