"""The contract of every optimizer in the table."""

from __future__ import annotations

import inspect
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd import optim
from minisgd.backend import Arena, NumpyOps, Plan
from minisgd.optim import SGD, Adam, Constant, Optimizer
from minisgd.optim.optimizer import CHUNK
from tests.optim.optimizer_table import LAYOUT, OPTIMIZERS, bench, slope, vector

each = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
P = LAYOUT.size


def start(seed: int = 0, size: int = P) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=size)


def run(b, steps: int, before=lambda: None) -> np.ndarray:
    for t in range(steps):
        b.g[...] = slope(b.w, t)
        b.program.replay()
    return b.w


def test_the_table_lists_every_exported_optimizer():
    exported = {
        name
        for name in optim.__all__
        if inspect.isclass(getattr(optim, name)) and issubclass(getattr(optim, name), Optimizer)
    } - {"Optimizer"}
    assert exported == {type(o).__name__ for o in OPTIMIZERS.values()}


@each
def test_replay_is_eager_bit_for_bit(optimizer):
    replayed, eager = bench(optimizer), bench(optimizer)
    replayed.w[:] = eager.w[:] = start()
    for t in range(5):
        replayed.g[:] = eager.g[:] = slope(eager.w, t)
        replayed.program.replay()
        optimizer.step(eager.ops, eager.buffers)
        assert_array_equal(replayed.w, eager.w)
    assert replayed.buffers.clocks.get("t", 5) == 5
    assert not np.array_equal(replayed.w, start())


@each
def test_a_stack_is_its_single_runs(optimizer):
    lrs = np.array([0.1, 0.01, 0.003])[:, None]
    stack = bench(optimizer, lead=(3,), lr=lrs)
    stack.w[:] = [start(r) for r in range(3)]
    run(stack, 10)
    for r in range(3):
        single = bench(optimizer, lr=lrs[r])
        single.w[:] = start(r)
        assert_allclose(stack.w[r], run(single, 10), rtol=1e-12, atol=1e-14)


@each
def test_the_stack_may_shrink(optimizer):
    """Replica 1 leaves a stack of three: its row is overwritten by replica 2 and the optimizer re-attached."""
    whole, lrs = bench(optimizer, lead=(3,)), np.full((3, 1), optimizer.lr)
    whole.w[:] = [start(r) for r in range(3)]
    run(whole, 3)
    sums = [whole.buffers.rates[name] for name in optimizer.sums]
    for rows in (whole.w, *whole.buffers.slots.values(), *sums):
        rows[1] = rows[2]
    ops, w, g = whole.ops, whole.w[:2], whole.g[:2]
    with ops.record() as program:
        optimizer.step(ops, optimizer.buffers(whole.arena, LAYOUT, w, g, lrs[:2]))
    for t in range(3, 6):
        g[:] = slope(w, t)
        program.replay()
    single = bench(optimizer)
    single.w[:] = start(2)
    assert_allclose(w[1], run(single, 6), rtol=1e-12, atol=1e-14)


@each
def test_float32_stays_float32(optimizer):
    b = bench(optimizer, lead=(2,), dtype="float32")
    b.w[:] = start()
    for call in b.program:
        clocks = b.buffers.clocks.values()
        assert any(np.shares_memory(call.out, clock) for clock in clocks) or call.out.dtype == np.float32
        if call.op != "copy":  # copying is how a clock becomes a rate
            kinds = {a.dtype for a in (*call.reads, call.out)}
            assert len(kinds) == 1, call
    run(b, 5)
    reference = bench(optimizer, lead=(2,))
    reference.w[:] = start()
    assert_allclose(b.w, run(reference, 5), rtol=2e-4, atol=2e-5)


@each
def test_replaying_allocates_nothing_of_array_size(optimizer):
    b = bench(optimizer, vector(300_000), lead=(2,))
    b.w[:] = 1.0
    b.g[:] = 0.5
    b.program.replay()
    tracemalloc.start()
    for _ in range(10):
        b.program.replay()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000  # bytes; one vector is 2.4 million


@each
def test_chunks_do_not_show(optimizer):
    """A vector of several chunks, the last one short, equals its pieces trained alone where that is defined."""
    size = 2 * CHUNK + 3
    long = bench(optimizer, vector(size))
    long.w[:] = start(size=size)
    assert len({call.out.shape[-1] for call in long.program if call.out.size > 1}) > 1
    run(long, 2)
    stacked = bench(optimizer, vector(size), lead=(2,))
    stacked.w[:] = start(size=size)
    assert_allclose(run(stacked, 2)[1], long.w, rtol=1e-12, atol=1e-14)


@each
def test_requests_are_all_that_is_allocated(optimizer):
    requests = optimizer.requests(LAYOUT, "float32")
    state = [r for r in requests if r.owner == "optimizer state" and not r.shared]
    sizes = dict.fromkeys(optimizer.slots, (P,)) | dict.fromkeys(optimizer.sums, (1,))
    assert {r.key: r.shape for r in state} == {f"optimizer.{name}": shape for name, shape in sizes.items()}
    assert all(r.dtype == "float32" for r in state)
    assert len({r.key for r in requests}) == len(requests)
    arena = Arena(NumpyOps(), Plan(requests), (3,))
    w, lr = np.zeros((3, P), np.float32), np.ones((3, 1), np.float32)
    b = optimizer.buffers(arena, LAYOUT, w, w.copy(), lr)
    blocks = list(arena.storage.values())
    for array in (*b.slots.values(), *b.rates.values(), *b.clocks.values(), b.scratch):
        assert any(np.shares_memory(array, block) for block in blocks)


@each
def test_nan_is_never_hidden(optimizer):
    b = bench(optimizer)
    b.w[:] = start()
    b.g[:] = 0.5
    b.g[2] = np.nan
    b.program.replay()
    assert np.isnan(b.w[2])


def test_many_replicas_of_one_weight():
    b = bench(SGD(0.5, momentum=0.5), vector(1), lead=(CHUNK + 1,))
    b.w[:] = 1.0
    b.g[:] = 1.0
    b.program.replay()
    assert_array_equal(b.w, 0.5)


def test_learning_rate_is_read_at_replay():
    b = bench(SGD(0.1), vector(2))
    b.g[:] = 1.0
    b.program.replay()
    b.lr[:] = 10.0
    b.program.replay()
    assert_allclose(b.w, -10.1)


def test_schedule_is_whatever_was_given():
    falling = lambda progress: 0.1 / (1 + progress.step)  # noqa: E731
    assert SGD(falling).schedule is falling
    assert SGD(0.1).schedule == Constant(0.1)
    assert repr(Adam(0.1)) == "Adam(lr=0.1, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)"
