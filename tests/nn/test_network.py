"""The network: one vector with views, copies that share nothing, prediction in batches, and how it prints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.nn import BatchNorm, Conv2d, Dropout, Flatten, Linear, Network, ReLU, Residual, Sequential, init
from tests.nn.layer_tables import LAYERS


def network(**options: Any) -> Network:
    chain = (Linear(4, name="hidden"), BatchNorm(), ReLU(), Residual(Linear(4), ReLU()), Linear(2))
    return Network(*chain).build((3,), **options)


def test_parameters_are_views_into_one_vector_in_order() -> None:
    net = network()
    values = net.parameters()
    names = ["hidden.W", "hidden.b", "1.gamma", "1.beta", "3.0.W", "3.0.b", "4.W", "4.b"]
    assert list(values) == names
    assert list(net.running_statistics()) == ["1.running_mean", "1.running_var", "1.running_weight"]
    assert sum(v.size for v in values.values()) == net.n_parameters == net.vector.size
    assert all(np.shares_memory(v, net.vector) for v in values.values())
    assert_array_equal(np.concatenate([v.ravel() for v in values.values()]), net.vector)
    assert [s.kind for s in net.layout] == ["weight", "bias", "norm", "norm", "weight", "bias", "weight", "bias"]


@pytest.mark.parametrize("seeds", [0, [0], [1, 2, 3]])
def test_replica_axes_lead(seeds: Any) -> None:
    net = network(seeds=seeds)
    lead = () if seeds == 0 else (len(seeds),)
    assert net.vector.shape == (*lead, net.n_parameters)
    assert net.parameters()["4.W"].shape == (*lead, 4, 2)
    assert net.predict(np.ones((5, 3))).shape == (*lead, 5, 2)
    assert net.output_shape == (2,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_vector_is_aligned_and_of_the_dtype_asked_for(dtype: str) -> None:
    net = network(dtype=dtype, seeds=[1, 2])
    for each in (net, net.copy(), net.replica(1)):
        for array in (each.vector, each.statistics):
            assert array.dtype == dtype
            assert each.ops.address(array) % 64 == 0


def test_describing_and_building_are_apart() -> None:
    net = Network(Linear(2))
    assert not net.is_built
    assert [leaf.path for leaf in net.describe((3,))] == ["0"]
    assert net.build(3) is net and net.is_built
    assert repr(Network(Linear(2))) == "Network(\n    Linear(2),\n)"


def test_a_copy_shares_no_weights_and_no_layers() -> None:
    net = network()
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    before = net.predict(x)
    duplicate = net.copy()
    assert_array_equal(duplicate.predict(x), before)
    duplicate.vector[...] = 0
    duplicate.statistics[...] = 5
    assert_array_equal(net.predict(x), before)
    assert not set(map(id, net.walk())) & set(map(id, duplicate.walk()))
    assert not Network(Linear(3)).copy().is_built


def test_a_replica_is_one_network_of_the_stack() -> None:
    stack = network(seeds=[4, 5])
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    for r, seed in enumerate([4, 5]):
        assert_array_equal(stack.replica(r).vector, network(seeds=seed).vector)
        assert_allclose(stack.replica(r).predict(x), stack.predict(x)[r], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_prediction_does_not_depend_on_the_batch_size(batch_size: int) -> None:
    net = network(seeds=[1, 2], dtype="float64")
    x = np.random.default_rng(0).normal(size=(7, 3))
    assert_allclose(net.predict(x, batch_size=batch_size), net.predict(x), rtol=1e-12, atol=1e-14)


def test_prediction_takes_what_can_be_converted() -> None:
    net = network()
    x = np.arange(12).reshape(4, 3)
    expected = net.predict(x.astype("float32"))
    for other in (x, x.astype("float64"), x.astype("float16"), x[:, ::-1][:, ::-1], np.asfortranarray(x)):
        assert_array_equal(net.predict(other), expected)
    assert net.predict(x[:0]).shape == (0, 2)


def test_bytes_are_scaled_as_in_training() -> None:
    net = Network(Flatten(), Linear(2)).build((2, 2, 1))
    net.input_scale = 1 / 255
    x = np.random.default_rng(0).integers(0, 256, (5, 2, 2, 1), dtype=np.uint8)
    assert_allclose(net.predict(x), net.predict(x.astype("float32") / 255), rtol=1e-5, atol=1e-6)
    net.input_scale = np.float64(0.5)
    assert net.copy().input_scale == 0.5


def test_prediction_leaves_its_argument_alone() -> None:
    net, x = Network(ReLU(), BatchNorm(affine=False)).build((3,)), -np.ones((4, 3), "float32")
    net.predict(x)
    assert_array_equal(x, -1)


def test_a_network_that_changes_nothing_returns_its_input() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    assert_array_equal(Network(Dropout(0.5)).build((3,), seeds=[1, 2]).predict(x), np.stack([x, x]))


def test_a_network_within_a_network() -> None:
    inner = Network(Linear(4), ReLU())
    outer = Network(inner, Linear(2)).build((3,), dtype="float64")
    assert list(outer.parameters()) == ["0.0.W", "0.0.b", "1.W", "1.b"]
    assert outer.predict(np.ones((2, 3))).shape == (2, 2)


def test_couples_batch_is_known_from_the_inside() -> None:
    assert Network(Sequential(Residual(BatchNorm()))).couples_batch
    assert not Network(Sequential(Linear(2)), ReLU()).couples_batch


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_prints_as_it_is_made(name: str) -> None:
    import minisgd.nn as nn

    layer = LAYERS[name].make((3, 3, 2))
    again = eval(repr(layer), vars(nn))  # noqa: S307
    hidden = {"init", "bias_init", "layers", "layer", "_trained"}
    assert repr(again) == repr(layer)
    assert {k: v for k, v in vars(again).items() if k not in hidden} == {
        k: v for k, v in vars(layer).items() if k not in hidden
    }


def test_a_named_layer_prints_its_name() -> None:
    assert repr(Linear(3, name="a")) == "Linear(3, name='a')"
    assert repr(Residual(ReLU(), name="b")) == "Residual(ReLU(), name='b')"


def test_initializers_of_layers_are_used() -> None:
    net = Network(Conv2d(2, 1, init=init.Ones(), bias_init=init.Constant(3))).build((2, 2, 1))
    assert (net.parameters()["0.W"] == 1).all() and (net.parameters()["0.b"] == 3).all()
