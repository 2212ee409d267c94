"""What must hold of a training step whatever is trained."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.backend import Program
from minisgd.training.prepare import prepare

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((90, 12)), np.arange(90) % 3
IMAGES = RNG.standard_normal((90, 6, 6, 2))
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def mlp() -> ms.Network:
    return ms.Network(ms.Linear(16), ms.BatchNorm(), ms.ReLU(), ms.Dropout(0.2), ms.Linear(3))


def plain() -> ms.Network:
    return ms.Network(ms.Linear(16), ms.LayerNorm(), ms.GELU(), ms.Residual(ms.Linear(16), ms.Tanh()), ms.Linear(3))


def cnn() -> ms.Network:
    return ms.Network(
        ms.Conv2d(4, 3, padding=1), ms.BatchNorm(), ms.ReLU(), ms.MaxPool2d(2), ms.Flatten(), ms.Linear(3)
    )


MODELS = {"mlp": (mlp, X), "plain": (plain, X), "cnn": (cnn, IMAGES)}


def data_for(x) -> ms.Dataset:
    return ms.Dataset.from_arrays(x, Y, validation=None)


def begin(model: str, *, batch_size=32, dtype="float64", seeds=0, optimizer=None, **options):
    network, x = MODELS[model]
    lr_factors = options.pop("lr_factors", None)
    prepared = prepare(
        network(),
        data_for(x),
        optimizer or ms.SGD(lr=0.1, momentum=0.9),
        batch_size=batch_size,
        dtype=dtype,
        seeds=seeds,
        **options,
    )
    return prepared.session(lr_factors=lr_factors)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("model", MODELS)
def test_stack_of_replicas_equals_single_runs(model, dtype):
    lrs, seeds = [0.01, 0.1, 0.02], [5, 5, 6]
    stack = begin(model, dtype=dtype, seeds=seeds, optimizer=ms.SGD(lr=1.0, momentum=0.9), lr_factors=lrs)
    singles = [
        begin(model, dtype=dtype, seeds=seed, optimizer=ms.SGD(lr=lr, momentum=0.9))
        for lr, seed in zip(lrs, seeds, strict=True)
    ]
    for _ in range(7):  # more than two epochs, short batches among them
        stack.step()
        for single in singles:
            single.step()
    for r, single in enumerate(singles):
        scale = np.abs(single.network.vector).max()
        assert_allclose(stack.network.vector[r], single.network.vector, rtol=0, atol=20 * TOLERANCE[dtype] * scale)
        assert_allclose(stack.network.statistics[r], single.network.statistics, rtol=20 * TOLERANCE[dtype], atol=1e-6)
    assert_allclose(stack.take_train_loss(), [s.take_train_loss()[0] for s in singles], rtol=20 * TOLERANCE[dtype])


@pytest.mark.parametrize("model", MODELS)
def test_replicas_that_stay_do_not_notice_those_that_leave(model):
    whole, part = (begin(model, seeds=[1, 2, 3, 4], lr_factors=[1, 0.5, 0.2, 0.1]) for _ in range(2))
    for _ in range(4):
        whole.step()
        part.step()
    part.keep([1, 3])
    for _ in range(4):
        whole.step()
        part.step()
    assert_allclose(part.network.vector, whole.network.vector[[1, 3]], rtol=1e-12, atol=1e-13)
    assert_allclose(part.take_train_loss(), whole.take_train_loss()[[1, 3]], rtol=1e-10)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("micro", [1, 7, 16, 31])
def test_gradient_of_micro_batches_is_that_of_the_batch(micro, dtype):
    index = np.arange(32)[None]
    whole = begin("plain", dtype=dtype).compute_gradient(index)
    parts = begin("plain", dtype=dtype, micro_batch=micro).compute_gradient(index)
    assert_allclose(parts, whole, rtol=0, atol=TOLERANCE[dtype] * np.abs(whole).max())


def test_micro_batches_count_by_their_examples():
    # one weight, identity input: the gradient of the mean of (w − t)² at w = 0 is −2 mean(t)
    x, t = np.ones((3, 1)), -0.5 * np.array([[1.0], [2.0], [3.0]])
    net = ms.Network(ms.Linear(1, bias=False, init=ms.init.Zeros()))
    data = ms.Dataset.from_arrays(x, t, validation=None)
    prepared = prepare(net, data, ms.SGD(lr=0.1), batch_size=3, micro_batch=2, dtype="float64")
    gradient = prepared.session().compute_gradient(np.array([[0, 1, 2]]))
    assert_allclose(gradient, [2.0], rtol=1e-15)  # the mean of {1, 2} and {3} would be 2.25


def test_clipping_comes_after_accumulation():
    kwargs = {"clip_norm": 0.01, "optimizer": ms.SGD(lr=1.0)}
    whole, parts = begin("plain", **kwargs), begin("plain", micro_batch=5, **kwargs)
    before = whole.network.vector.copy()
    whole.step()
    parts.step()
    assert_allclose(parts.network.vector, whole.network.vector, rtol=1e-12, atol=1e-13)
    assert_allclose(np.linalg.norm(whole.network.vector - before), 0.01, rtol=1e-10)


@pytest.mark.parametrize("batch_size", [1, 32, "full"])
def test_every_batch_size_steps(batch_size):
    session = begin("plain", batch_size=batch_size)
    for _ in range(3):
        session.step()
    assert session.steps == 3
    assert session.examples == {1: 3, 32: 90, "full": 270}[batch_size]  # 32 + 32 + 26 of 90
    assert np.isfinite(session.network.vector).all()


def test_full_batch_gradient_is_that_of_all_examples():
    session = begin("plain", batch_size="full", seeds=[0, 1])
    gathered = begin("plain", batch_size=90, micro_batch=90, seeds=[0, 1])  # gathers per replica
    index = np.tile(np.arange(90), (2, 1))
    assert_allclose(session.compute_gradient(index), gathered.compute_gradient(index), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("model", MODELS)
def test_replay_equals_eager_execution_bit_for_bit(model):
    replayed, eager = begin(model, dtype="float32"), begin(model, dtype="float32")
    for _ in range(4):
        replayed.step()

    for _ in range(4):
        eager._follow_schedules()
        index = eager.sampler.next(eager.size)
        gather, gradient, target = eager.record_gradient(index.shape[-1])
        target[...] = index.reshape(target.shape)
        for program in (gather, gradient, eager.record_update()):
            for call in program:
                call.function(*call.args)
    assert_array_equal(replayed.network.vector, eager.network.vector)
    assert_array_equal(replayed.network.statistics, eager.network.statistics)


@pytest.mark.parametrize(
    "optimizer",
    [
        ms.SGD(lr=0.1),
        ms.Adam(lr=0.1),
        ms.AdamW(lr=0.1),
        ms.LAMB(lr=0.1),
        ms.LARS(lr=0.1),
        ms.RMSProp(),
        ms.Adagrad(),
        ms.Lion(),
        ms.Muon(),
        ms.ScheduleFreeAdamW(),
    ],
    ids=lambda o: type(o).__name__,
)
@pytest.mark.parametrize("model", MODELS)
def test_no_array_changes_its_dtype(model, optimizer):
    session = begin(model, dtype="float32", optimizer=optimizer, clip_norm=1.0)
    for _ in range(4):
        session.step()
    for key, request in session.plan.largest.items():
        assert session.arena.storage[key].dtype == request.dtype, key
    gather, gradient, _ = session._gradient(32)
    for call in [*gather, *session.interpolation, *gradient, *session.record_update()]:
        floats = {a.dtype for a in (*call.reads, call.out) if a.dtype.kind == "f"}
        own = {np.dtype("float32")}
        bookkeeping = call.layer == type(session.recipe.loss).__name__ or call.phase == "update"
        assert floats <= own or (bookkeeping and call.out.size == 1), call


@pytest.mark.parametrize("model", MODELS)
def test_ten_steps_allocate_nothing_of_array_size(model):
    network, x = MODELS[model]
    n = 20_000
    wide = np.resize(x.astype("float32"), (n + 50, *x.shape[1:]))
    data = ms.Dataset.from_arrays(wide, np.resize(Y, n + 50), validation=None)
    session = prepare(network(), data, ms.Adam(lr=0.01), batch_size=n).session()
    session.step()
    index = session.sampler._order[:, :n].copy()
    session.compute_gradient(index)
    tracemalloc.start()
    try:
        for _ in range(10):
            session.compute_gradient(index)
            session._update().replay()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # NumPy converts between dtypes in pieces of 8,192 elements; nothing may be as large as a batch of features
    assert 0 < peak < n * 12 * 4 / 4


@pytest.mark.parametrize("optimizer", [ms.SGD(lr=0.1), ms.Adam(lr=0.1)], ids=["SGD", "Adam"])
@pytest.mark.parametrize("batch_size", [1, 10, 100, 500, 1000])
@pytest.mark.parametrize("model", ["plain", "cnn"])
def test_predicted_bytes_are_those_allocated(model, batch_size, optimizer):
    if model == "cnn" and batch_size == 1:
        batch_size = 2
    network, x = MODELS[model]
    net = network()
    wide = np.tile(x.astype("float32"), (15,) + (1,) * (x.ndim - 1))
    data = ms.Dataset.from_arrays(wide, np.tile(Y, 15), validation=None)
    plan = ms.memory_plan(net, x.shape[1:], batch_size, optimizer)
    prepared = prepare(net, data, optimizer, batch_size=batch_size)
    tracemalloc.start()
    try:
        session = prepared.session(last_batch="drop")
        arrays = sum(a.nbytes for a in session.arena.storage.values())
        # the storage as NumPy sees it, without the 64 bytes of alignment and the Python objects around each
        snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*numpy_ops.py")])
        measured = sum(s.size for s in snapshot.statistics("filename"))
    finally:
        tracemalloc.stop()
    assert arrays == plan.bytes
    overhead = 700 * len(session.arena.storage)
    assert plan.bytes <= measured <= 1.02 * plan.bytes + overhead


def test_memory_is_an_affine_function_of_the_batch():
    net = plain()
    plans = [ms.memory_plan(net, (12,), b) for b in (1, 10, 100, 1000)]
    assert len({p.bytes_per_example for p in plans}) == 1
    assert len({p.bytes_fixed for p in plans}) == 1
    for p in plans:
        assert p.bytes == p.bytes_fixed + p.batch_size * p.bytes_per_example == sum(p.by_owner.values())


def test_memory_limit_names_the_largest_batch_and_the_micro_batch():
    net = plain()
    free = ms.memory_plan(net, (12,), 1000)
    limit = free.bytes // 2
    plan = ms.memory_plan(net, (12,), 1000, memory_limit=limit)
    assert ms.memory_plan(net, (12,), plan.largest_batch).bytes <= limit
    assert ms.memory_plan(net, (12,), plan.largest_batch + 1).bytes > limit
    assert plan.micro_batch < 1000
    session = begin("plain", batch_size=80, memory_limit=ms.memory_plan(net, (12,), 20, dtype="float64").bytes + 20000)
    assert session.recipe.micro_batch < 80
    assert session.plan.bytes() <= ms.memory_plan(net, (12,), 20, dtype="float64").bytes + 20000
    with pytest.raises(ms.MemoryLimitError, match="memory_limit must be at least"):
        ms.memory_plan(net, (12,), 10, memory_limit="1KB")


def test_a_given_micro_batch_must_fit_the_limit_too():
    """Adding micro-batches up takes an array of the size of the gradient, which the limit has to cover."""
    whole = ms.memory_plan(plain(), (12,), 8, dtype="float64").bytes
    session = begin("plain", batch_size=80, micro_batch=8, memory_limit=whole + 20000)
    assert session.plan.bytes() <= whole + 20000 and session.recipe.micro_batch == 8
    session = begin("plain", batch_size=80, micro_batch=8, memory_limit=whole)
    assert session.plan.bytes() <= whole and session.recipe.micro_batch < 8


def test_velocities_of_dead_weights_do_not_linger_among_the_denormals():
    x = np.zeros((40, 3))
    x[:2, 0] = 1  # the first weight sees two examples, the others none
    x[:, 1] = np.arange(40) % 2
    data = ms.Dataset.from_arrays(x, np.arange(40) % 2, validation=None)
    prepared = prepare(ms.Network(ms.Linear(2)), data, ms.SGD(lr=0.1, momentum=0.9), batch_size=1)
    session = prepared.session(sampling="sequential")
    session.step()
    velocity = session.arena.storage["optimizer.velocity"]
    session.gradient[...] = 0  # and from here on no gradient at all
    for _ in range(2000):
        session._update().replay()
        session.steps += 1
        if session.steps % 256 == 0:
            session._flush.replay()
    assert not ((velocity != 0) & (np.abs(velocity) < np.finfo("float32").tiny)).any()


def test_flushing_changes_nothing_that_counts():
    flushed, kept = begin("plain", dtype="float32"), begin("plain", dtype="float32")
    kept._flush = Program()
    for _ in range(300):
        flushed.step()
        kept.step()
    assert_array_equal(flushed.network.vector, kept.network.vector)


def test_a_full_batch_is_shuffled_where_its_order_matters():
    """Ghost batches of an order that never changes would be the same examples at every step."""

    def ghosts(ghost):
        data = ms.datasets.digits(validation=None)
        net = ms.Network(ms.Linear(4), ms.BatchNorm(ghost=ghost), ms.Linear(10))
        session = prepare(net, data, ms.SGD(lr=1e-12), batch_size="full").session()
        seen = []
        for _ in range(3):
            session.step()
            seen.append(float(session.take_train_loss()[0]))
        return seen

    assert len(set(ghosts(16))) == 3, "other ghosts at every step, and so another loss"
    assert_allclose(ghosts(None), ghosts(None)[0], rtol=1e-6)
