"""Data-parallel training: the same bits on 1, 2 and 4 ranks, and the gradient of the batch."""

import hashlib

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.backend import Plan
from minisgd.optim import OPTIMIZERS
from minisgd.training.prepare import prepare
from tests.training.distributed.ranks import Meeting, ThreadRanks, on_ranks

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((90, 12)), np.arange(90) % 3
IMAGES = RNG.standard_normal((90, 6, 6, 2))


def mlp():
    return ms.Network(ms.Linear(16), ms.ReLU(), ms.Dropout(0.2), ms.Linear(3))


def normalised():
    return ms.Network(ms.Linear(16), ms.BatchNorm(), ms.ReLU(), ms.Linear(3))


def cnn():
    return ms.Network(
        ms.Conv2d(4, 3, padding=1), ms.BatchNorm(), ms.ReLU(), ms.MaxPool2d(2), ms.Flatten(), ms.Linear(3)
    )


def train(ranks, network=mlp, x=X, **options):
    data = ms.Dataset.from_arrays(x, Y, validation=0.2)
    options = {"batch_size": 27, "steps": 12, "optimizer": "sgd", **options}  # 72 = 27 + 27 + 18
    return ms.train(network(), data, communicator=ranks, **options)


def digest(run):
    net = run.network
    losses = [record["train_loss"] for record in run.history]
    return hashlib.sha256(net.vector.tobytes() + net.statistics.tobytes() + repr(losses).encode()).hexdigest()


def require_same_bits(sizes=(1, 2, 4), shards=8, **options):
    digests = {digest(run) for n in sizes for run in on_ranks(n, lambda ranks: train(ranks, **options), shards)}
    assert len(digests) == 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_has_the_same_bits_on_any_number_of_ranks(optimizer):
    require_same_bits(optimizer=optimizer)


SETTINGS = {
    "normalised": {"network": normalised},
    "normalised, micro-batches": {"network": normalised, "micro_batch": 2, "batch_size": 32, "last_batch": "drop"},
    "convolutions": {"network": cnn, "x": IMAGES, "batch_size": 32, "last_batch": "drop"},
    "micro-batches": {"micro_batch": 2},
    "batches of 5": {"batch_size": 5},
    "full batch": {"batch_size": "full", "optimizer": ms.SGD(lr=0.1, momentum=0.9)},
    "a growing batch": {"batch_size": ms.GrowBatch(8, 32, every=1), "clip_norm": 0.1},
    "with replacement": {"sampling": "replacement", "dtype": "float64", "optimizer": ms.Adam(lr=ms.Cosine(0.01))},
    "three ranks": {"sizes": (1, 3), "shards": 12},
    "two shards": {"sizes": (1, 2), "shards": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_the_bits_do_not_depend_on_the_number_of_ranks(name):
    require_same_bits(**SETTINGS[name])


def test_the_gradient_is_that_of_the_batch():
    data = ms.Dataset.from_arrays(X, Y, validation=None)
    plain = ms.Network(ms.Linear(16), ms.Tanh(), ms.Linear(3))

    def gradient(ranks):
        session = prepare(plain, data, ms.SGD(lr=0.1), batch_size=27, dtype="float64", communicator=ranks).session()
        computed = session.compute_gradient(np.arange(27)[None])
        return np.array(computed), session.train_loss()

    alone = gradient(None)
    for found in (*on_ranks(2, gradient), *on_ranks(1, gradient, 3)):
        for a, b in zip(found, alone, strict=True):
            assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_running_statistics_are_the_mean_of_those_of_the_shards():
    """One update of each shard from the same start, as ghost batches have it."""
    data, net = ms.Dataset.from_arrays(X, Y, validation=None), ms.Network(ms.BatchNorm(momentum=0.1), ms.Linear(3))

    def running_mean(ranks):
        session = prepare(net, data, ms.SGD(lr=0.1), batch_size=24, dtype="float64", communicator=ranks).session()
        session.compute_gradient(np.arange(24)[None])
        (mean,) = [view for name, view in session.network.running_statistics().items() if "mean" in name]
        return np.array(mean)

    (found,) = on_ranks(1, running_mean, 4)
    assert_allclose(found, 0.1 * X[:24].mean(axis=0), rtol=1e-9, atol=1e-12)


def test_a_step_is_two_messages_of_the_vector_and_two_short_ones():
    def count(ranks):
        data = ms.Dataset.from_arrays(X, Y, validation=None)
        session = prepare(mlp(), data, ms.SGD(lr=0.1), batch_size=16, communicator=ranks).session()
        session.step()
        before = ranks.messages
        session.step()
        session.agree(False, False)
        return ranks.messages - before

    assert on_ranks(2, count) == [4, 4]


def test_memory_counts_what_one_rank_has():
    def planned(ranks):
        data = ms.Dataset.from_arrays(X, Y, validation=None)
        recipe = prepare(mlp(), data, ms.SGD(lr=0.1), batch_size=64, communicator=ranks).recipe
        gradients = sum(r.bytes for key, r in Plan(recipe.requests()).largest.items() if key.startswith("gradient."))
        return recipe.micro_batch, gradients, 4 * recipe.network.layout.size

    for n, vectors in ((1, 4), (2, 3 + 1), (4, 2 + 1), (8, 1 + 1)):
        micro, gradients, one = on_ranks(n, planned)[0]
        assert micro == 8 and vectors * one <= gradients <= vectors * (one + 64 * n + 64)


def test_a_checkpoint_goes_on_with_another_number_of_ranks(tmp_path):
    straight = {digest(run) for run in on_ranks(2, lambda ranks: train(ranks, network=normalised))}

    def first(ranks):
        return train(ranks, network=normalised, steps=5, checkpoint=tmp_path)

    def second(ranks):
        return train(ranks, network=normalised, resume=tmp_path)

    on_ranks(4, first)
    assert {digest(run) for run in on_ranks(1, second)} == straight
    with pytest.raises(ms.CheckpointError, match="shards must be 8, as in the checkpoint, got 4"):
        on_ranks(2, second, 4)
    with pytest.raises(ms.CheckpointError, match="shards|micro_batch"):
        train(None, network=normalised, resume=tmp_path)


def test_other_data_on_a_rank_are_refused_before_the_first_step():
    with pytest.raises(ms.ArgumentError, match="data must be the same on all ranks"):
        on_ranks(2, lambda ranks: train(ranks, x=X + ranks.rank))
    with pytest.raises(ms.ArgumentError, match="seed must be the same on all ranks"):
        on_ranks(2, lambda ranks: train(ranks, seed=ranks.rank, validation=None))


def test_a_callback_of_one_rank_ends_all():
    class Stop(ms.Callback):
        def __init__(self, rank):
            self.rank = rank

        def on_evaluation(self, training, record):
            return self.rank == 1 and record["epoch"] >= 2

    runs = on_ranks(2, lambda ranks: train(ranks, steps=50, callbacks=[Stop(ranks.rank)]))
    assert {(run.steps, run.stopped) for run in runs} == {(6, "stopped by a callback")}


def test_a_batch_of_one_example_a_shard_is_refused_with_batch_norm():
    with pytest.raises(ms.ShapeError):
        train(ThreadRanks(0, Meeting(1)), network=normalised, batch_size=8)
