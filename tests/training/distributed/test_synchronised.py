"""SyncBatchNorm over ranks: the bits of any number of them, and the batch normalisation of one process."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.backend import Plan
from minisgd.training.prepare import prepare
from tests.training.distributed.ranks import on_ranks
from tests.training.distributed.test_session import IMAGES, X, digest, require_same_bits, train


def mlp(norm=ms.SyncBatchNorm, dropout=0.2):
    return ms.Network(ms.Linear(16), norm(), ms.ReLU(), ms.Dropout(dropout), ms.Linear(8), norm(), ms.Linear(3))


def cnn(norm=ms.SyncBatchNorm, dropout=0.0):
    return ms.Network(
        ms.Conv2d(4, 3, padding=1), norm(momentum=0.1), ms.ReLU(), ms.MaxPool2d(2),
        ms.Conv2d(3, 2), norm(affine=False), ms.Tanh(), ms.Dropout(dropout), ms.Flatten(), ms.Linear(3),
    )  # fmt: skip


SETTINGS = {
    "perceptron": {"network": mlp},
    "convolutions": {"network": cnn, "x": IMAGES},
    "one example a shard": {"network": mlp, "batch_size": 8, "optimizer": "adam"},
    "a growing batch": {"network": mlp, "batch_size": ms.GrowBatch(8, 32, every=1), "clip_norm": 0.1},
    "transformed": {"network": mlp, "transform": ms.Noise(0.1)},
    "three ranks": {"network": mlp, "sizes": (1, 3), "shards": 12},
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_the_bits_do_not_depend_on_the_number_of_ranks(name):
    require_same_bits(**SETTINGS[name])


@pytest.mark.parametrize(("network", "x"), [(mlp, X), (cnn, IMAGES)])
def test_it_is_batch_normalisation_of_the_whole_batch(network, x):
    """Also where shards have 3 and 4 examples (27 in 8), and in the short batch of 18."""

    def run(ranks, norm):
        how = {"dtype": "float64", "optimizer": ms.SGD(lr=0.1, momentum=0.9), "x": x}
        return train(ranks, network=lambda: network(norm, dropout=0.0), **how)

    one = run(None, ms.BatchNorm)
    for found in (*on_ranks(2, lambda ranks: run(ranks, ms.SyncBatchNorm)), run(None, ms.SyncBatchNorm)):
        assert_allclose(found.network.vector, one.network.vector, rtol=1e-10, atol=1e-12)
        assert_allclose(found.network.statistics, one.network.statistics, rtol=1e-10, atol=1e-12)
        losses = [[record["train_loss"] for record in each.history] for each in (found, one)]
        assert_allclose(*losses, rtol=1e-10)


def test_ghosts_are_something_else():
    def loss(norm):
        (run,) = on_ranks(1, lambda ranks: train(ranks, network=lambda: mlp(norm, dropout=0.0)))
        return run.history[-1]["train_loss"]

    assert abs(loss(ms.BatchNorm) / loss(ms.SyncBatchNorm) - 1) > 0.01


def test_memory_counts_the_activations_of_all_own_shards():
    def planned(ranks):
        data = ms.Dataset.from_arrays(X, np.arange(90) % 3, validation=None)
        recipe = prepare(mlp(), data, ms.SGD(lr=0.1), batch_size=64, communicator=ranks).recipe
        return Plan(recipe.requests()).bytes_by_owner()["activations"]

    one, two, eight = (on_ranks(n, planned)[0] for n in (1, 2, 8))
    assert one == 2 * two == 8 * eight


def test_a_checkpoint_goes_on_with_another_number_of_ranks(tmp_path):
    (straight,) = on_ranks(1, lambda ranks: train(ranks, network=mlp))
    on_ranks(4, lambda ranks: train(ranks, network=mlp, steps=5, checkpoint=tmp_path))
    assert {digest(run) for run in on_ranks(2, lambda ranks: train(ranks, network=mlp, resume=tmp_path))} == {
        digest(straight)
    }


def test_what_cannot_be_normalised_together_is_refused():
    with pytest.raises(ms.ShapeError, match="a batch of at least 8 examples, one for each shard, got 4"):
        on_ranks(2, lambda ranks: train(ranks, network=mlp, batch_size=4))
    with pytest.raises(ms.ArgumentError, match="micro_batch must be enough for a shard of 4 examples"):
        on_ranks(2, lambda ranks: train(ranks, network=mlp, micro_batch=2))


def test_a_layer_that_diverges_is_named():
    with pytest.raises(ms.DivergedError, match=r"first in the output of (Linear|SyncBatchNorm|Dropout|ReLU)"):
        on_ranks(1, lambda ranks: train(ranks, network=mlp, optimizer=ms.SGD(lr=1e38)))
