"""Passes that read examples one by one: chunks, weights, bytes, and gradients that nobody wants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.data import Split
from minisgd.lab.instruments import Objective
from minisgd.training import example_pass
from minisgd.training.evaluation import evaluation_batch
from minisgd.training.example_pass import ExamplePass, SquaredNorms, examples_at_a_time
from minisgd.training.feeds.feed import ExampleSpec, Feed, HostData


def subject(dtype: str = "float64", weight: Any = None) -> tuple[ms.Network, Split, Feed]:
    rng = np.random.default_rng(0)
    net = ms.Network(ms.Linear(5), ms.Tanh(), ms.Linear(3)).build((4,), dtype=dtype)
    split = Split(rng.integers(0, 255, (7, 4)).astype(np.uint8), rng.integers(0, 3, 7), weight)
    return net, split, Feed(ExampleSpec.of(split, 1 / 255, dtype), dtype)


def norms_of(net: ms.Network, split: Split, feed: Feed, index: Any, **options: Any) -> np.ndarray[Any, Any]:
    norms = SquaredNorms()
    of = ExamplePass(net, ms.SoftmaxCrossEntropy(), HostData.of(split, net.dtype), feed, [norms], **options)
    found = np.zeros(len(index))
    for where, n in of.chunks(np.asarray(index)):
        found[where] = norms.rows[n].sum(0)
    return found


def test_chunks_make_no_difference() -> None:
    net, split, feed = subject()
    index = [3, 0, 6, 6, 1, 2, 5]
    whole, gradient = np.zeros(net.n_parameters), np.zeros(net.n_parameters)
    of = ExamplePass(net, ms.SoftmaxCrossEntropy(), HostData.of(split, "float64"), feed, [], gradient=gradient, chunk=3)
    losses = []
    for _, n in of.chunks(np.array(index)):
        whole += gradient
        losses += of.losses[:n].tolist()
    assert_allclose(norms_of(net, split, feed, index, chunk=3), norms_of(net, split, feed, range(7))[index], rtol=1e-12)
    objective = Objective(net, Split(split.x[index] / 255, split.y[index]))
    value, mean = objective.value_and_gradient(net.vector)
    assert_allclose(whole / 7, mean, rtol=1e-10, atol=1e-14)
    assert_allclose(np.mean(losses), value, rtol=1e-12)


def test_weights_of_examples_count() -> None:
    weight = np.array([0.0, 1, 2, 1, 0.5, 3, 1])
    net, split, feed = subject(weight=weight)
    plain, unweighted, other = subject()
    expected = norms_of(plain, unweighted, other, range(7)) * weight**2
    assert_allclose(norms_of(net, split, feed, range(7)), expected, rtol=1e-12)


def test_a_gradient_that_is_not_wanted_is_not_computed() -> None:
    net, split, feed = subject()
    data, loss = HostData.of(split, "float64"), ms.SoftmaxCrossEntropy()
    gradient = np.zeros(net.n_parameters)
    passes = [ExamplePass(net, loss, data, feed, [SquaredNorms()], gradient=g) for g in (None, gradient)]
    for each in passes:
        list(each.chunks(np.arange(7)))
    without, full = (len(each._programs[7][0]) for each in passes)
    assert without == full - 4  # dW and db of two layers
    assert not passes[0]._gradient.any() and gradient.all()


def test_nothing_of_the_network_is_written() -> None:
    rng = np.random.default_rng(1)
    net = ms.Network(ms.Linear(5), ms.BatchNorm(), ms.Dropout(0.5), ms.Linear(3)).build((4,))
    split = Split(rng.normal(size=(6, 4)).astype("float32"), rng.integers(0, 3, 6))
    before = net.vector.copy(), net.statistics.copy()
    found = norms_of(net, split, Feed(ExampleSpec.of(split, 1.0, "float32"), "float32"), range(6))
    assert found.all()
    for old, new in zip(before, (net.vector, net.statistics), strict=True):
        assert_array_equal(old, new)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few examples at a time where gradients are formed; dense layers form none."""
    dense = ms.Network(ms.Linear(300), ms.Linear(10)).build((200,))
    images = ms.Network(ms.Conv2d(8, 3), ms.Flatten(), ms.Linear(10)).build((10, 10, 4))
    monkeypatch.setattr(example_pass, "STACKED_ELEMENTS", 20_000)
    assert examples_at_a_time(dense, 500) == evaluation_batch(dense, 500) > 100
    # W 3·3·4·8, b 8, patches 8·8·3·3·4
    assert examples_at_a_time(images, 500) == 20_000 // (288 + 8 + 64 * 36)
