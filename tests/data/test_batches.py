"""Generators, loaders and other iterables of batches."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms

X = np.random.default_rng(0).standard_normal((70, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
NET = ms.Network(ms.Linear(2))


def chunks():
    for start in range(0, 70, 30):
        yield X[start : start + 30], Y[start : start + 30]


def test_a_generator_trains_as_its_arrays_do():
    runs = [ms.train(NET, data, validation=0.2, epochs=2) for data in (chunks(), (X, Y))]
    assert_array_equal(*(run.network.vector for run in runs))


def test_a_loader_of_pytorch_trains_as_its_arrays_do():
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    run = ms.train(NET, torch.utils.data.DataLoader(pairs, batch_size=16), epochs=2)
    assert_array_equal(run.network.vector, ms.train(NET, (X, Y), epochs=2).network.vector)


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ([], "at least one batch"),
        ([X], "batch 0 must be a pair"),
        ([(X, Y, Y)], "got a tuple of 3"),
        ([(X, Y), (X[:, :2], Y)], "batches that fit together"),
    ],
)
def test_what_is_no_batch_is_refused(batches, said):
    with pytest.raises(ms.DataError, match=said):
        ms.train(NET, iter(batches))
