"""Evaluation as layers that can be differentiated: the same numbers as infer, and gradients by differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.backend import Ops
from minisgd.errors import ArgumentError
from minisgd.nn import BatchNorm, Dropout, Layer, Linear, Network, ReLU, Residual
from minisgd.nn.layers.frozen import FrozenBatchNorm, Identity
from minisgd.typing import Array
from tests.nn.layer_bench import Bench
from tests.nn.layer_tables import LAYERS

SHAPES: list[Any] = [(4,), (3, 2, 4)]


@pytest.mark.parametrize("name", LAYERS)
def test_forward_of_a_frozen_layer_is_infer_of_the_layer(name: str) -> None:
    row = LAYERS[name]
    shape = {"features": (4,), "sequences": (4, 6), "images": (5, 4, 2)}[row.kinds[-1]]
    layer = row.make(shape)
    bench = Bench([layer], shape, 3)
    bench.fill(np.random.default_rng(0))
    bench.x[...] = row.draw(np.random.default_rng(1), bench.x.shape)
    frozen = Bench([layer.frozen()], shape, 3)
    frozen.take_from(bench)
    frozen.forward()
    assert_allclose(frozen.z, bench.network.predict(np.array(bench.x)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("affine", [True, False])
def test_gradients_of_frozen_batch_normalisation(shape: Any, affine: bool) -> None:
    """dx = dy γ/√(r_var+ε), and no term from the batch's own mean and variance."""
    bench = Bench([FrozenBatchNorm(eps=0.1, affine=affine)], shape, 5)
    bench.fill(np.random.default_rng(0))
    results = bench.results()
    values = bench.network.parameters() | bench.network.running_statistics()
    mean, var = values["0.running_mean"], values["0.running_var"]
    gamma = values.get("0.gamma", 1.0)
    axes = tuple(range(len(shape)))
    dy, xhat = bench.target / 5, (bench.x - mean) / np.sqrt(var + 0.1)
    assert_allclose(results["dx"], dy * gamma / np.sqrt(var + 0.1), rtol=1e-12)
    if affine:
        expected = np.concatenate([(dy * xhat).sum(axes), dy.sum(axes)])
        assert_allclose(results["gradient"], expected, rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_replicas_are_frozen_apart(shape: Any) -> None:
    stack = Bench([FrozenBatchNorm(eps=0.1, affine=True)], shape, 5, seeds=[0, 1])
    stack.fill(np.random.default_rng(0))
    together = stack.results()
    for replica in (0, 1):
        one = Bench([FrozenBatchNorm(eps=0.1, affine=True)], shape, 5)
        one.take_from(stack, replica)
        for name, array in one.results().items():
            assert_allclose(together[name][replica], array, rtol=1e-12, err_msg=name)


def test_a_frozen_network_keeps_its_layout_and_its_chain() -> None:
    network = Network(Linear(4), BatchNorm(name="norm"), Dropout(0.5), Residual(Linear(4), BatchNorm()), ReLU())
    network.build((3,))
    frozen = network.frozen().shape_only((3,), "float64")
    assert [(s.name, s.offset, s.shape) for s in frozen.layout] == [(s.name, s.offset, s.shape) for s in network.layout]
    kept = [(s.name, s.shape) for s in network.statistics_layout]
    assert [(s.name, s.shape) for s in frozen.statistics_layout] == kept
    kinds = {type(layer) for layer in frozen.walk()}
    assert {FrozenBatchNorm, Identity} < kinds and not {BatchNorm, Dropout} & kinds
    assert not frozen.couples_batch and network.couples_batch


class Doubled(Layer):
    """A layer that evaluates as it does not train."""

    def infer(self, ops: Ops, x: Array) -> Array:
        return x


def test_a_layer_that_does_not_say_what_it_is_frozen_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"Doubled.*infer\(\) without frozen\(\); override frozen"):
        Network(Doubled()).frozen()
