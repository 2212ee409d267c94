"""Frozen layers: the same function, and no gradient, no state, no call and no byte for what does not learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.nn.architecture import described, rebuilt
from minisgd.nn.freezing import exchange, frozen, leaves_of
from tests.nn.layer_bench import Bench, TextbookOps
from tests.nn.layer_tables import CASES, LAYERS

SHAPES = {"features": (5,), "sequences": (4, 6), "images": (4, 5, 2)}
DATA = ms.datasets.digits(validation=0.2, seed=0)


def all_frozen(layer: Any) -> Any:
    inside = ms.Sequential(layer)
    exchange(inside, {path for path, _ in leaves_of(inside)}, frozen)
    return inside.layers[0]


def mlp() -> ms.Network:
    layers = ms.Linear(32, name="hidden1"), ms.ReLU(), ms.Linear(16, name="hidden2"), ms.ReLU()
    return ms.Network(*layers, ms.Linear(10, name="output"))


@pytest.mark.parametrize("ops", [ms.Network(ms.Linear(1)).build((1,)).ops, TextbookOps()], ids=["tuned", "textbook"])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_frozen_layer_passes_the_same_gradient_on_and_has_none_of_its_own(name: str, kind: str, ops: Any) -> None:
    row, shape = LAYERS[name], SHAPES[kind]
    learning = Bench([row.make(shape).frozen()], shape, 3, ops=ops.apart())
    still = Bench([all_frozen(row.make(shape))], shape, 3, ops=ops.apart())
    learning.fill(np.random.default_rng(0))
    still.take_from(Bench([all_frozen(row.make(shape))], shape, 3))
    for name, array in (learning.network.parameters() | learning.network.running_statistics()).items():
        still.network.running_statistics()[name][...] = array
    still.x[...], still.target[...] = learning.x, learning.target
    assert still.network.n_parameters == 0
    expected, found = learning.results(), still.results()
    for key in ("z", "dx"):
        assert_allclose(found[key], expected[key], rtol=1e-12, atol=1e-14, err_msg=key)
    assert_array_equal(found["statistics"], still.network.statistics)


def test_below_the_first_layer_that_learns_nothing_runs_backward() -> None:
    def backward(network: ms.Network) -> list[str]:
        lines = ms.explain(network, batch_size=8).phases["backward"]
        return [f"{line.layer}: {line.formula}" for line in lines if "Linear" in line.layer]

    def products(network: ms.Network, layer: str) -> int:
        return sum("@" in line for line in backward(network) if layer in line)

    network = mlp().build((64,))
    assert [products(network, name) for name in ("hidden1", "hidden2", "output")] == [1, 2, 2]
    assert [products(network.freeze("hidden*"), name) for name in ("hidden1", "hidden2", "output")] == [0, 0, 1]
    assert [products(network.freeze("hidden2"), name) for name in ("hidden1", "hidden2", "output")] == [1, 1, 2]
    assert [products(network.freeze("hidden1"), name) for name in ("hidden1", "hidden2", "output")] == [0, 1, 2]
    assert not any("d" in line for line in backward(network.freeze("hidden*")) if "hidden" in line)


def test_what_does_not_learn_takes_no_bytes_but_its_own() -> None:
    whole = ms.memory_plan(mlp(), (64,), 8, ms.Adam()).by_owner
    part = ms.memory_plan(mlp().freeze("hidden*"), (64,), 8, ms.Adam()).by_owner
    learned = 4 * (16 * 10 + 10)
    assert part["parameters"] == whole["parameters"]
    assert part["gradients"] == pytest.approx(learned, abs=64)
    assert part["optimizer state"] == pytest.approx(2 * learned, abs=256)


@pytest.mark.parametrize("optimizer", [ms.SGD(lr=0.1, momentum=0.9, weight_decay=0.1), ms.LAMB(lr=0.01)])
def test_training_leaves_frozen_weights_alone(optimizer: Any) -> None:
    start = mlp().build((64,), seeds=3).freeze(["hidden1", "out*"])
    end = ms.train(start, DATA, optimizer=optimizer, epochs=1, seed=0).network.to_numpy()
    for name, array in start.to_numpy().items():
        assert np.array_equal(end[name], array) == (not name.startswith("hidden2")), name


def test_freezing_ahead_of_the_data_draws_the_same_weights() -> None:
    before, after = mlp().freeze("hidden1").build((64,), seeds=5), mlp().build((64,), seeds=5)
    drawn = {name: array.std() for name, array in before.to_numpy().items()}
    assert drawn["hidden1.W"] == pytest.approx(after.to_numpy()["hidden1.W"].std(), rel=0.1)  # by the same fans


def test_batch_normalisation_and_dropout_freeze_as_in_evaluation() -> None:
    network = ms.Network(ms.Linear(8), ms.BatchNorm(name="norm"), ms.Dropout(0.5), ms.Linear(10)).build((64,))
    still = network.freeze("norm")
    assert still.to_numpy().keys() == network.to_numpy().keys() and not still.couples_batch
    end = ms.train(still, DATA, epochs=1, seed=0).network.to_numpy()
    assert_array_equal(end["norm.running_mean"], network.to_numpy()["norm.running_mean"])


def test_a_name_that_matches_nothing_is_refused() -> None:
    with pytest.raises(ms.ArgumentError, match=r"names must be names of layers .* got hiden\*.*hidden1"):
        mlp().freeze("hiden*")


def test_an_architecture_remembers_what_is_frozen() -> None:
    again = rebuilt(described(mlp().freeze("hidden1")))
    assert [layer.learns for layer in again.layers] == [False, True, True, True, True]


def test_nothing_left_to_learn_is_refused() -> None:
    with pytest.raises(ms.ArgumentError, match="at least one layer that learns"):
        ms.train(mlp().freeze("*"), DATA, epochs=1)


def test_replicas_freeze_together() -> None:
    stack = mlp().build((64,), seeds=[1, 2])
    for r in (0, 1):
        assert_array_equal(
            stack.freeze("hidden1").replica(r).predict(DATA.train.x[:5]), stack.replica(r).predict(DATA.train.x[:5])
        )
