"""Initializers: moments and bounds, and the same weights from a seed whatever else is chosen."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.nn import BatchNorm, Conv2d, Flatten, Linear, Network, ReLU, init
from tests.nn.layer_tables import INITIALIZERS

FAN_IN, FAN_OUT = 300, 200
STD: dict[str, float] = {
    "Constant": 0,
    "Zeros": 0,
    "Ones": 0,
    "Normal": 0.2,
    "HeNormal": sqrt(2 / FAN_IN),
    "HeUniform": sqrt(2 / FAN_IN),
    "XavierNormal": 1.5 * sqrt(2 / (FAN_IN + FAN_OUT)),
    "XavierUniform": sqrt(2 / (FAN_IN + FAN_OUT)),
    "FanInUniform": 1 / sqrt(3 * FAN_IN),
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_moments_and_bounds(name: str) -> None:
    drawn = INITIALIZERS[name](np.random.default_rng(0), (FAN_IN, FAN_OUT), FAN_IN, FAN_OUT)
    assert drawn.shape == (FAN_IN, FAN_OUT) and drawn.dtype == np.float64
    std = STD[name]
    if std == 0:
        assert drawn.min() == drawn.max() == {"Constant": 0.3, "Zeros": 0, "Ones": 1}[name]
        return
    assert abs(drawn.mean()) < 5 * std / sqrt(drawn.size)
    assert_allclose(drawn.std(), std, rtol=0.02)
    kurtosis = ((drawn / std) ** 4).mean()
    uniform = name.endswith("Uniform")
    assert_allclose(kurtosis, 1.8 if uniform else 3, rtol=0.03)
    if uniform:
        bound = std * sqrt(3)
        assert bound * 0.999 < np.abs(drawn).max() <= bound


def layers() -> list[Any]:
    return [Conv2d(3, 3, bias_init=init.FanInUniform()), BatchNorm(), ReLU(), Conv2d(2, 1), Flatten(), Linear(4)]


def test_a_seed_gives_the_same_weights_for_any_number_of_replicas_and_any_dtype() -> None:
    single = Network(*layers()).build((5, 5, 1), seeds=7, dtype="float64")
    stack = Network(*layers()).build((5, 5, 1), seeds=[3, 7, 9], dtype="float64")
    small = Network(*layers()).build((5, 5, 1), seeds=7, dtype="float32")
    assert_array_equal(stack.vector[1], single.vector)
    assert_array_equal(small.vector, single.vector.astype("float32"))
    assert_array_equal(stack.statistics[0], single.statistics)
    assert not np.isclose(stack.vector[0], stack.vector[1]).all()


def test_fans_of_layers() -> None:
    conv = Conv2d(5, (2, 3)).declare((1, 4, 4, 7)).parameters["W"]
    assert (conv.fan_in, conv.fan_out) == (2 * 3 * 7, 2 * 3 * 5)
    dense = Linear(5).declare((1, 7)).parameters
    assert (dense["W"].fan_in, dense["W"].fan_out, dense["b"].fan_in) == (7, 5, 7)


def test_defaults_are_he_normal_weights_and_zero_biases() -> None:
    network = Network(Linear(400), BatchNorm()).build((300,))
    values = network.parameters()
    assert_allclose(values["0.W"].std(), sqrt(2 / 300), rtol=0.02)
    assert not values["0.b"].any() and not values["1.beta"].any()
    assert (values["1.gamma"] == 1).all()
    statistics = network.running_statistics()
    assert not statistics["1.running_mean"].any() and (statistics["1.running_var"] == 1).all()
