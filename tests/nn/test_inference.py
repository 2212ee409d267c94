"""Prediction as a program: recorded once, replayed by the calls that follow, and never on weights that are gone."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
from numpy.testing import assert_array_equal

import minisgd as ms
from minisgd.nn.inference import KEPT, Inference

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")


def network(seed: int = 0) -> ms.Network:
    return ms.Network(ms.Linear(5), ms.BatchNorm(), ms.ReLU(), ms.Linear(2)).build((3,), seeds=seed)


def test_a_second_call_records_nothing() -> None:
    net = network()
    expected = net.predict(X[:1])
    with mock.patch.object(Inference, "_record", side_effect=AssertionError("recorded again")):
        assert_array_equal(net.predict(X[:1]), expected)
    assert_array_equal(net.predict(X)[:1].round(5), expected.round(5))  # more examples than there was memory for
    assert_array_equal(net.predict(X[:1]), expected)


def test_changed_weights_are_seen() -> None:
    net, other = network(0), network(1)
    expected = other.predict(X)
    assert not np.array_equal(net.predict(X), expected)
    net.vector[...] = other.vector
    assert_array_equal(net.predict(X), expected)
    net.vector = np.zeros_like(net.vector)  # another array
    assert_array_equal(net.predict(X), np.zeros((40, 2)))


def test_copies_and_pickles_record_their_own() -> None:
    net = network()
    expected = net.predict(X)
    copies = net.copy(), pickle.loads(pickle.dumps(net)), net.moved(net.ops)
    net.vector[...] = 0
    for duplicate in copies:
        assert_array_equal(duplicate.predict(X), expected)


def test_training_goes_on_with_what_was_predicted() -> None:
    data = ms.Dataset.from_arrays(X, np.arange(40) % 2, validation=None)
    run = ms.train(network(), data, optimizer=ms.SGD(lr=0.1), epochs=1, batch_size=8)
    first = run.network.predict(X)
    again = ms.train(run.network, data, optimizer=ms.SGD(lr=0.1), epochs=2, batch_size=8)
    assert_array_equal(run.network.predict(X), first)
    assert_array_equal(again.network.copy().predict(X), again.network.predict(X))


def test_only_some_programs_are_kept() -> None:
    net = network()
    inference = Inference(net, 40)
    for n in range(40, 0, -1):
        assert_array_equal(inference.predict(X[:n]), net.copy().predict(X[:n]))
    assert len(inference.programs) == KEPT


def test_threads_take_turns() -> None:
    net = network()
    expected = [net.predict(X[k : k + 4]) for k in range(36)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: net.predict(X[k : k + 4]), list(range(36)) * 20))
    for k, outputs in enumerate(found):
        assert_array_equal(outputs, expected[k % 36])
