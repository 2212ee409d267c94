"""Prediction as a program: recorded once, replayed by the calls that follow, and never on weights that are gone."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from minisgd.nn.inference import KEPT, RESPONSE, Inference

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


@pytest.mark.parametrize("together", [1, 3, 500])
@pytest.mark.parametrize("batch_size", [1, 3, 40, 64, 100])
@pytest.mark.parametrize("seeds", [0, (0, 1, 2)])
def test_batches_in_one_replay_are_those_one_by_one(batch_size: int, seeds: Any, together: int) -> None:
    images = np.random.default_rng(1).integers(0, 256, (130, 4, 4, 2))
    layers = ms.Conv2d(3, 3), ms.ReLU(), ms.Flatten(), ms.Linear(5)
    net = ms.Network(*layers).build((4, 4, 2), seeds=seeds)
    for x in (
        images.astype("f4"),
        images.astype("f8"),
        images.astype("u1"),
        images,
        images.astype("f4")[::-1, :, ::-1],
    ):
        expected = [net.predict(x[k : k + batch_size]) for k in range(0, len(x), batch_size)]
        with mock.patch.object(Inference, "_affordable", return_value=together):
            found = net.predict(x, batch_size=batch_size)
        assert_array_equal(found, np.concatenate(expected, axis=len(net.lead)))


def test_one_turn_of_python_predicts_as_many_batches_as_take_little_time() -> None:
    net = network()
    if not net.ops.repeats_programs:
        pytest.skip("the programs of this executor run one by one")
    net.predict(X, batch_size=1)
    inference = net._inference
    inference._pace = RESPONSE / 10
    with mock.patch("minisgd.nn.inference.perf_counter", side_effect=[0.0, RESPONSE, 1.0, 1.0 + 30 * RESPONSE] * 9):
        with mock.patch.object(inference, "_fill", wraps=inference._fill) as fill:
            inference.predict(X[:33])
    # ten at once took as long as they may; the next ten took thirty times that, so then only one, and so on
    assert [len(call.args[0]) for call in fill.call_args_list][:4] == [10, 10, 1, 1]
